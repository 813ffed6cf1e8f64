"""Programs that log, run as processes of their own: configuring logs changes a process for good."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_PREAMBLE = """
import logging, os, sys, threading, warnings
from loguru import logger
from telemetry.logs import LogSettings, access_logger, configure_logs, request_id_var, trace_id_var
"""


@dataclass
class Ran:
    """A program that has ended: what it wrote to the console, and the files in its log folder by kind."""

    console: list[str]
    folder: Path
    returncode: int

    def files(self, kind: str) -> list[Path]:
        return sorted(self.folder.glob(f"{kind}.*.log"))

    def lines(self, kind: str) -> list[str]:
        return [line for file in self.files(kind) for line in file.read_text(encoding="utf-8").splitlines()]


Program = Callable[..., Ran]


@pytest.fixture
def run_program(tmp_path: Path) -> Program:
    """Run lines of Python under a log folder; keyword arguments are environment variables."""

    def run(code: str, **environment: str) -> Ran:
        folder = tmp_path / "logs"
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "LOG_DIR": str(folder),
            "PYTHONWARNINGS": "default",
            **environment,
        }
        done = subprocess.run(
            [sys.executable, "-c", _PREAMBLE + textwrap.dedent(code)],
            env=variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ran(done.stderr.splitlines(), folder, done.returncode)

    return run
