"""What a load tells where there is no terminal, and at one."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import pytest
from loguru import logger
from rich.console import Console

from etl import progress
from etl.metrics import LoadMetrics
from etl.progress import LoadProgress


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is logged; lines come every twentieth of a second."""
    monkeypatch.setattr(progress, "LINE_EVERY", 0.05)
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]))
    yield lines
    logger.remove(sink)


def test_a_line_now_and_then_where_there_is_no_terminal(told: list[str]) -> None:
    shown = LoadProgress(LoadMetrics(), console=Console(file=io.StringIO()))
    with shown.begin("shop", 8):
        shown.count("encoded", 3, size=6_000_000)
        shown.count("failed")
        wait_for(told, "shop: 4/8 (50%)")
        line = next(line for line in told if "4/8" in line)
        assert "photos/s" in line
        assert "MB/s" in line
        assert "1 failed" in line
        assert "s left" in line
    assert shown.summary().startswith("shop: 3 encoded, 1 failed in ")
    assert shown.summary().count("failed") == 1


def test_a_download_is_told_too(told: list[str]) -> None:
    shown = LoadProgress(LoadMetrics(), console=Console(file=io.StringIO()))
    deadline = time.monotonic() + 10
    there = 0
    while not any("downloading" in line for line in told):
        assert time.monotonic() < deadline
        shown.fetched(there := there + 1_000_000, 4_000_000_000)
        time.sleep(0.01)
    assert " of 4,000 MB (" in told[0]
    assert told[0].endswith("MB/s")


def test_a_terminal_is_given_back_when_a_download_breaks_off() -> None:
    screen = io.StringIO()
    shown = LoadProgress(LoadMetrics(), console=Console(file=screen, force_terminal=True))
    shown.fetched(1_000_000, 2_000_000)
    shown.fetched(2_000_000, 2_000_000)
    shown.close()
    assert "downloading" in screen.getvalue()
    assert screen.getvalue().endswith("\x1b[?25h")  # the cursor is back


def wait_for(lines: list[str], words: str) -> None:
    deadline = time.monotonic() + 10
    while not any(words in line for line in lines):
        assert time.monotonic() < deadline, lines
        time.sleep(0.01)
