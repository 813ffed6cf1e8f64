"""What goes into the bento, and that it serves without anything else of this folder."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from local.ports import HOST, free_port
from local.processes import Child
from local.servers import http_ok
from tests.reliability.drain import ENDED_WITHIN, accepted, stop_under_load
from tests.repository.secrets import SECRETS
from tests.stack import ROOT, START_TIMEOUT, Stores

BENTOML = str(Path(sys.executable).parent / "bentoml")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BentoML home with the bento in it."""
    folder = tmp_path_factory.mktemp("bentoml")
    env = {**os.environ, "BENTOML_HOME": str(folder), "BENTOML_DO_NOT_TRACK": "True"}
    done = subprocess.run(
        [BENTOML, "build"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_it_holds_the_service_and_the_model_alone(home: Path) -> None:
    (source,) = home.glob("bentos/fashion_search/*/src")
    assert {entry.name for entry in source.iterdir()} == {
        "api", "bentofile.yaml", "catalog", "clip_runner", "environment",
        "requirements-torch.txt", "requirements.txt", "service.py", "telemetry",
    }  # fmt: skip
    assert (source / "clip_runner/mini/fashion-clip-mini/model.safetensors").stat().st_size > 10_000_000
    names = [file.name for file in source.rglob("*")]
    assert not [name for name in names if name.startswith(".env") or "credential" in name or name.endswith(".ipynb")]


def test_it_holds_no_secret(home: Path) -> None:
    (source,) = home.glob("bentos/fashion_search/*/src")
    files = [file for file in source.rglob("*") if file.is_file() and file.suffix != ".safetensors"]
    assert len(files) > 60
    assert [str(file) for file in files if SECRETS.search(file.read_text("utf-8", "replace"))] == []


def test_it_holds_every_module_that_the_service_imports(home: Path) -> None:
    (source,) = home.glob("bentos/fashion_search/*/src")
    waiting, seen = [ROOT / "service.py"], set[Path]()
    while waiting:
        file = waiting.pop()
        seen.add(file)
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [f"{name}.{alias.name}" for name in names for alias in getattr(node, "names", ())]
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                path = ROOT / name.replace(".", "/")
                found = {path.with_suffix(".py"), path / "__init__.py"}
                waiting += [each for each in found - seen if name and each.is_file()]
    assert len(seen) > 30
    missing = [str(file.relative_to(ROOT)) for file in seen if not (source / file.relative_to(ROOT)).exists()]
    assert not missing, f"bentofile.yaml leaves out {missing}"


def asked_while_draining(url: str) -> tuple[httpx.Response, httpx.Response]:
    """The first answer of `/readyz` that is not 200, and what a client that never asks it is answered then."""
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        while (ready := client.get("/readyz")).status_code == 200:
            time.sleep(0.02)
        return ready, client.post("/encode_text", json=["a red dress"])


def test_it_serves_and_drains_before_it_stops(home: Path, stores: Stores, tmp_path: Path) -> None:
    """As in a container: clients that go by `/readyz`, as the proxy in front does, are refused nothing.

    Whoever has not noticed yet is still answered, and told not to come again over the same connection.
    """
    (source,) = home.glob("bentos/fashion_search/*/src")
    port = free_port()
    env = {
        **stores.env,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "BENTOML_HOME": str(tmp_path / "home"),
        "BENTOML_DO_NOT_TRACK": "True",
        "PYTHONPATH": "",
        "LOG_FORMAT": "json",
        "HOST": HOST,
        "PORT": str(port),
        "DRAIN_SECONDS": "3",
        "DRAIN_FILE": str(tmp_path / "draining"),
    }
    log = tmp_path / "bento.log"
    child = Child("the bento", ["sh", "api/start.sh"], env=env, log=log, cwd=source)
    try:
        child.wait_ready(lambda: http_ok(f"http://{HOST}:{port}/readyz"), timeout=START_TIMEOUT)
        with ThreadPoolExecutor(1) as beside:
            late = beside.submit(asked_while_draining, f"http://{HOST}:{port}")
            seen = stop_under_load(child, port, heed_readiness=True)
        ready, encoded = late.result()
    finally:
        child.stop()
    assert (ready.status_code, ready.json()["draining"]) == (503, True)
    assert (encoded.status_code, encoded.headers["connection"]) == (200, "close")
    assert set(seen.before + seen.after) == {"200"}, seen
    assert accepted(log) == {200: seen.before["200"] + seen.after["200"] + 1}
    assert 3 <= seen.seconds < ENDED_WITHIN
