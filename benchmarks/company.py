"""Whether a measurement had the machine to itself: what others took of the processors meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import psutil

_TICKS = os.sysconf("SC_CLK_TCK")


class Company:
    """Used as a context: afterwards `share` is the part of all processors' time that was not ours, 0 to 1.

    Ours is this process with all its children, also those that have ended and were waited for.
    """

    def __init__(self) -> None:
        self.share = 0.0

    def __enter__(self) -> Company:
        self._ours, self._busy, self._all = _ours(), *_machine()
        return self

    def __exit__(self, *_: object) -> None:
        busy, everything = _machine()
        others = busy - self._busy - (_ours() - self._ours)
        self.share = max(0.0, others / max(1e-9, everything - self._all))


def _ours() -> float:
    times = os.times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            spent = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += spent.user + spent.system + spent.children_user + spent.children_system
    return total


def _machine() -> tuple[float, float]:
    """Seconds that all processors were busy, and seconds in all; time stolen by the host counts as busy."""
    line = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    values = [int(value) / _TICKS for value in line[:8]]
    idle = values[3] + values[4]
    return sum(values) - idle, sum(values)
