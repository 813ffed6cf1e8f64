"""What goes into the bento, and that it serves without anything else of this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.ports import HOST, free_port
from local.processes import Child
from local.servers import http_ok
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
        "requirements-torch.txt", "service.py", "telemetry",
    }  # fmt: skip
    assert (source / "clip_runner/mini/fashion-clip-mini/model.safetensors").stat().st_size > 10_000_000
    names = [file.name for file in source.rglob("*")]
    assert not [name for name in names if name.startswith(".env") or "credential" in name or name.endswith(".ipynb")]


def test_it_serves(home: Path, stores: Stores, tmp_path: Path) -> None:
    port = free_port()
    env = {**stores.env, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": ""}
    command = [BENTOML, "serve", "fashion_search:latest", "--host", HOST, "--port", str(port)]
    child = Child("the bento", command, env=env, log=tmp_path / "bento.log", cwd=tmp_path)
    try:
        child.wait_ready(lambda: http_ok(f"http://{HOST}:{port}/readyz"), timeout=START_TIMEOUT)
    finally:
        child.stop()
