"""A run's plot: items a second of the limit, the service and the design before, each with its p99."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.asked import Figures, medians

_Bar = tuple[str, str, str]  # its label, the figure that is its length, its p99

_BARS: dict[str, tuple[_Bar, ...]] = {
    "photos": (
        ("limit", "limit photos/s", ""),
        ("service, 8 a request", "service photos/s", ""),
        ("service, one a request", "service photos/s, 32 in flight", "service photo p99 s"),
        ("infinity, one a request", "infinity photos/s, 32 in flight", "infinity photo p99 s"),
        ("design before, one a request", "before photos/s, 32 in flight", "before photo p99 s"),
    ),
    "texts": (
        ("limit", "limit texts/s", ""),
        ("service, 32 a request", "service texts/s, 32 a request", ""),
        ("service, one a request", "service texts/s, 32 in flight", "service text p99 s"),
        ("infinity, one a request", "infinity texts/s, 32 in flight", "infinity text p99 s"),
        ("design before, one a request", "before texts/s, 32 in flight", "before text p99 s"),
    ),
}
_COLOURS = {"limit": "#9a9a9a", "service": "#8a2846", "infinity": "#6f7f95", "design": "#c9a27c"}


def plot(file: Path, runs: Mapping[str, Sequence[Figures]]) -> None:
    """Draw the medians of each model's rounds, photos on the left and texts on the right."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(runs), 2, figsize=(12, 0.6 + 2.2 * len(runs)), squeeze=False)
    for row, (name, rounds) in zip(axes, runs.items(), strict=True):
        values = medians(rounds)
        for axis, (kind, bars) in zip(row, _BARS.items(), strict=True):
            axis.set_title(f"{name}: {kind} a second, and the p99 of 32 requests in flight", fontsize=9, loc="left")
            _draw(axis, bars, values)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)
    pyplot.close(figure)


def _draw(axis: Any, bars: Sequence[_Bar], values: Figures) -> None:
    there = [bar for bar in bars if bar[1] in values][::-1]
    if not there:
        axis.axis("off")
        return
    lengths = [values[length] for _, length, _ in there]
    labels = [label for label, _, _ in there]
    drawn = axis.barh(labels, lengths, color=[_COLOURS[label.split(",")[0].split()[0]] for label in labels])
    said = [_said(values[length], values.get(p99)) for _, length, p99 in there]
    axis.bar_label(drawn, said, padding=4, fontsize=8)
    axis.set_xlim(0, 1.3 * max(lengths))
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _said(rate: float, p99: float | None) -> str:
    return f"{rate:,.{0 if rate >= 100 else 1}f}" + ("" if p99 is None else f", p99 {p99 * 1000:,.0f} ms")
