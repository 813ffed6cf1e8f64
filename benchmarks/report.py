"""A run's table on the terminal, its figures as JSON, its plot as PNG."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.asked import Line
from benchmarks.rounds import Figures, medians


def table(lines: Sequence[Line]) -> str:
    """The table as text."""
    rows = [("", "asked for", "median", "of the rounds", "rounds", "")]
    rows += [
        (
            line.what,
            line.bound,
            f"{line.median:.2f}",
            f"{line.low:.2f} .. {line.high:.2f}",
            str(line.rounds),
            "" if line.met else "short",
        )
        for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                     for row in rows)  # fmt: skip


def read(file: Path) -> dict[str, list[Figures]]:
    """The rounds of each model of an earlier run."""
    content = json.loads(file.read_text())
    return {name: model["rounds"] for name, model in content["models"].items()}


def write(file: Path, machine: dict[str, str], runs: dict[str, tuple[list[Figures], list[Line]]]) -> None:
    """Write all figures of all rounds, and what they come to."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": machine,
        "models": {
            name: {"table": [asdict(line) for line in lines], "medians": medians(rounds), "rounds": rounds}
            for name, (rounds, lines) in runs.items()
        },
    }
    file.write_text(json.dumps(content, indent=1) + "\n")


def plot(file: Path, runs: dict[str, tuple[list[Figures], list[Line]]]) -> None:
    """Throughput beside its limit, for each model."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    bars = {
        "photos": (("limit", "limit photos/s"), ("service", "service photos/s"),
                   ("service, one a request", "service photos/s, 32 in flight"),
                   ("infinity, one a request", "infinity photos/s, 32 in flight"),
                   ("design before, one a request", "before photos/s, 32 in flight")),
        "texts": (("limit", "limit texts/s"), ("service, 32 a request", "service texts/s, 32 a request"),
                  ("service, one a request", "service texts/s, 64 in flight"),
                  ("infinity, one a request", "infinity texts/s, 32 in flight"),
                  ("design before, one a request", "before texts/s, 32 in flight")),
    }  # fmt: skip
    figure, axes = pyplot.subplots(len(runs), 2, figsize=(10, 1 + 2 * len(runs)), squeeze=False)
    for row, (name, (rounds, _)) in zip(axes, runs.items(), strict=True):
        values = medians(rounds)
        for axis, (kind, named) in zip(row, bars.items(), strict=True):
            there = [(label, values[key]) for label, key in named if key in values]
            axis.barh([label for label, _ in there][::-1], [value for _, value in there][::-1], color="#8a2846")
            axis.set_title(f"{name}: {kind} a second", fontsize=10)
            axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(file, dpi=90)
