"""A system that is watched: it writes its logs to files, and its tests may hurt it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack import ROOT, SAMPLE, System


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the composed system's volume `logs` is."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory, logs: Path) -> Iterator[System]:
    """The whole system with the sample catalogue; the service logs JSON, the loader text; two API workers."""
    folder = tmp_path_factory.mktemp("watched")
    running = System(folder, load=False, LOG_DIR=str(logs / "service"), LOG_FORMAT="json", API_WORKERS="2")
    try:
        load = {**os.environ, **running.env, "LOG_DIR": str(logs / "etl"), "LOG_FORMAT": "text"}
        command = [sys.executable, "-m", "etl", "run", str(SAMPLE)]
        subprocess.run(command, cwd=ROOT, env=load, check=True, capture_output=True, timeout=300)
        running.wait_for_items(120)
        yield running
    finally:
        running.stop()
