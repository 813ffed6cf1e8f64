"""What a run leaves: its table on the terminal, its figures as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.asked import Line

RESULTS = Path(__file__).parent / "results"


class Record:
    """A run's JSON. Made before anything is measured: it names the machine's load of then."""

    def __init__(self, name: str, file: Path | None = None) -> None:
        """`file`: where it goes; None: into benchmarks/results/, by name and date."""
        self.file = file or RESULTS / f"{name}-{datetime.now(UTC):%Y-%m-%dT%H%M}.json"
        self.machine = machine.describe()

    def write(self, **content: Any) -> None:
        """Write the figures so far, in place of those written before; so a run that is cut short keeps what it has."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps({"machine": self.machine, **content}, indent=1) + "\n")


def say(text: str) -> None:
    """A line on the terminal, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def table(lines: Sequence[Line]) -> str:
    """The table as text."""
    rows = [("", "asked for", "measured", "of the rounds", "rounds", "")]
    rows += [
        (
            line.what,
            line.bound,
            f"{line.value:.4g}",
            f"{line.low:.4g} .. {line.high:.4g}",
            str(line.rounds),
            "" if line.bound == "nothing" else "met" if line.met else "short",
        )
        for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                     for row in rows)  # fmt: skip
