"""What is asked of the service, as ratios of figures of the same round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.rounds import Figures


@dataclass(frozen=True)
class Asked:
    """One line of the table: a ratio (or a figure), and the least or the most that it should be."""

    what: str
    ratio: Callable[[Figures], float]
    least: float | None = None
    most: float | None = None
    needs: str = ""
    """A figure that must be there for it."""

    def met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def bound(self) -> str:
        return f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}"


ASKED = (
    Asked("/encode_image at saturation / limit", lambda f: f["service photos/s"] / f["limit photos/s"], least=0.9),
    Asked("/encode_text, 32 texts a request / limit",
          lambda f: f["service texts/s, 32 a request"] / f["limit texts/s"], least=0.9),
    Asked("/encode_text, one text, 64 in flight / limit",
          lambda f: f["service texts/s, 64 in flight"] / f["limit texts/s"], least=0.6),
    Asked("CPU of a photo at saturation: limit / service",
          lambda f: f["limit photo CPU s"] / f["service photo CPU s"], least=0.9),
    Asked("CPU of a text, 32 a request: limit / service",
          lambda f: f["limit batched text CPU s"] / f["service text CPU s, 32 a request"], least=0.9),
    Asked("CPU of a text, 64 in flight: limit / service",
          lambda f: f["limit batched text CPU s"] / f["service text CPU s, 64 in flight"], least=0.6),
    Asked("/encode_image / the design before, 32 in flight",
          lambda f: f["service photos/s, 32 in flight"] / f["before photos/s, 32 in flight"],
          least=3, needs="before photos/s, 32 in flight"),
    Asked("  its p99 / the design before",
          lambda f: f["service photo p99 s"] / f["before photo p99 s"], most=0.5, needs="before photo p99 s"),
    Asked("/encode_text / the design before, 32 in flight",
          lambda f: f["service texts/s, 32 in flight"] / f["before texts/s, 32 in flight"],
          least=4, needs="before texts/s, 32 in flight"),
    Asked("  its p99 / the design before",
          lambda f: f["service text p99 s"] / f["before text p99 s"], most=1 / 3, needs="before text p99 s"),
    Asked("/encode_image / infinity, 32 in flight",
          lambda f: f["service photos/s, 32 in flight"] / f["infinity photos/s, 32 in flight"],
          least=1.3, needs="infinity photos/s, 32 in flight"),
    Asked("/encode_text / infinity, 32 in flight",
          lambda f: f["service texts/s, 32 in flight"] / f["infinity texts/s, 32 in flight"],
          least=1.3, needs="infinity texts/s, 32 in flight"),
    Asked("search by words: CPU ms beyond the text's encoding",
          lambda f: f["service search CPU s beyond its text"] * 1000, most=8),
    Asked("memory of service and runner, GB", lambda f: f["service memory"] / 1e9, most=1.2),
    Asked("start to ready / loading the model in plain Python",
          lambda f: f["service ready s"] / f["limit load s"], most=1.5),
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A line of the table: the median over the rounds, and the smallest and the largest."""

    what: str
    bound: str
    median: float
    low: float
    high: float
    rounds: int
    met: bool


def lines(rounds: Sequence[Figures]) -> list[Line]:
    """The table of a model's rounds; a ratio is made within each round, the median of them counts."""
    table = []
    for asked in ASKED:
        values = [asked.ratio(figures) for figures in rounds if not asked.needs or asked.needs in figures]
        if not values:
            continue
        median = float(np.median(values))
        table.append(Line(asked.what, asked.bound, median, min(values), max(values), len(values), asked.met(median)))
    return table
