"""`make run` as a newcomer meets it."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from local.credentials import credentials
from local.ports import HOST, free_port
from tests.stack import ROOT

PORTS = ("API_PORT", "UI_PORT", "MILVUS_PORT", "S3_PORT")


def start(env: dict[str, str], output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "local"], cwd=ROOT, env=env, stdout=stream, stderr=stream, start_new_session=True
        )


def wait_for(text: str, output: Path, process: subprocess.Popen[bytes], seconds: float) -> float:
    """Return the seconds until `text` was printed."""
    started = time.monotonic()
    while text not in output.read_text():
        assert process.poll() is None, output.read_text()
        assert time.monotonic() - started < seconds, output.read_text()
        time.sleep(0.2)
    return time.monotonic() - started


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An empty home and free ports."""
    home = tmp_path / "home"
    home.mkdir()
    return {
        **os.environ,
        "HOME": str(home),
        "LOCAL_DIR": str(tmp_path / "local"),
        **{name: str(free_port()) for name in PORTS},
    }


def test_first_start_second_start_and_the_end(env: dict[str, str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    process = start(env, output)
    try:
        wait_for("\nready\n", output, process, 240)
        assert "120 encoded" in output.read_text()
        api = f"http://{HOST}:{env['API_PORT']}"
        found = httpx.post(f"{api}/search-image", json={"query": "black leather jacket"}, trust_env=False).json()
        assert len(found["results"]) == 9
        assert httpx.get(found["results"][0]["url"], trust_env=False).status_code == 200
        assert httpx.get(f"http://{HOST}:{env['UI_PORT']}/", trust_env=False).status_code == 200
    finally:
        end(process, signal.SIGINT)

    again = start(env, output)
    try:
        assert wait_for("\nready\n", output, again, 120) < 60  # 30 s is the goal; this machine may be busy
        assert "loading" not in output.read_text()
    finally:
        end(again, signal.SIGHUP)  # as when its terminal is closed


def end(process: subprocess.Popen[bytes], by: signal.Signals) -> None:
    """End the stack and see that nothing of it stays."""
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(by)
    assert process.wait(30) == 0
    assert len(children) >= 6
    assert not [child for child in children if child.is_running()]


def test_a_taken_port_is_named_in_one_line(env: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, int(env["MILVUS_PORT"])))
        taken.listen()
        done = subprocess.run(
            [sys.executable, "-m", "local"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        f"make run: port {env['MILVUS_PORT']} is in use; stop what listens there, or choose another: MILVUS_PORT=..."
    ]


def test_credentials_are_made_once_and_are_private(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "credentials.env"
    made = credentials(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert credentials(file) == made
    assert len(set(made.values())) == 2
    assert min(map(len, made.values())) >= 32
