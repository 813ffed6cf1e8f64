"""Log files stay within their limits, and processes that share a folder keep out of each other's way."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import ValidationError

from telemetry.files import Pruning, Rotation
from telemetry.settings import LogSettings
from tests.telemetry.conftest import Program

_MANY_LINES = """
configure_logs('api', LogSettings())
for number in range(2000):
    logger.info("{:04d} {}", number, "x" * 200)
"""


def test_files_are_closed_at_their_size_and_no_line_is_lost(run_program: Program) -> None:
    ran = run_program(_MANY_LINES, LOG_ROTATE_MB="0.1", LOG_TOTAL_MB="10")
    files = ran.files("process")
    assert len(files) > 5
    assert all(file.stat().st_size <= 0.1 * 1024 * 1024 for file in files)
    assert sorted(json.loads(line)["message"][:4] for line in ran.lines("process")) == [
        f"{number:04d}" for number in range(2000)
    ]


def test_the_folder_never_outgrows_its_cap(run_program: Program) -> None:
    ran = run_program(_MANY_LINES, LOG_ROTATE_MB="0.05", LOG_TOTAL_MB="0.2")
    assert sum(file.stat().st_size for file in ran.folder.iterdir()) <= (0.2 + 0.05) * 1024 * 1024
    assert json.loads(ran.lines("process")[-1])["message"].startswith("1999")


def test_a_day_ends_a_file() -> None:
    rotation = Rotation(max_mb=1)
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    file = StringIO("something\n")

    def line(time: datetime) -> Any:
        class Line(str):
            record = cast(Any, {"time": time})

        return Line("next\n")

    assert not rotation(line(midnight - timedelta(seconds=2)), file)
    assert not rotation(line(midnight - timedelta(seconds=1)), file)
    assert rotation(line(midnight), file)
    assert not rotation(line(midnight + timedelta(hours=1)), file)


def test_processes_write_to_files_of_their_own(run_program: Program) -> None:
    code = """
import subprocess
configure_logs('api', LogSettings())
logger.info("one")
if len(sys.argv) == 1 and "CHILD" not in os.environ:
    program = "from telemetry.logs import *; from loguru import logger; "
    program += "configure_logs('api', LogSettings()); logger.info('two')"
    subprocess.run([sys.executable, "-c", program], check=True)
"""
    ran = run_program(code)
    assert len(ran.files("process")) == 2
    assert sorted(json.loads(line)["message"] for line in ran.lines("process")) == ["one", "two"]


def test_a_file_that_was_pruned_under_its_writer_is_begun_again(run_program: Program) -> None:
    code = """
from pathlib import Path
configure_logs('api', LogSettings())
logger.info("before")
for file in Path(os.environ["LOG_DIR"]).iterdir():
    file.unlink()
logger.info("after")
"""
    assert [json.loads(line)["message"] for line in run_program(code).lines("process")] == ["after"]


def test_old_files_go_and_strangers_stay(tmp_path: Path) -> None:
    old, new, own, stranger = (
        tmp_path / name for name in ("error.api.h-1.log", "error.api.h-2.log", "process.api.h-3.log", "notes.log")
    )
    for file in (old, own, stranger):
        file.write_text("x")
        os.utime(file, (time.time() - 86_400 * 20,) * 2)
    new.write_text("x")
    Pruning(tmp_path, total_mb=1, keep_days=14, open_files=[own])(SimpleNamespace())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["error.api.h-2.log", "notes.log", "process.api.h-3.log"]


def test_a_cap_that_holds_no_two_files_is_refused() -> None:
    with pytest.raises(ValidationError, match="LOG_TOTAL_MB must be at least twice LOG_ROTATE_MB"):
        LogSettings(log_total_mb=10, log_rotate_mb=8)
