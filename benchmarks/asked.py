"""What is asked of the service, as ratios of figures of the same round."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

Figures = dict[str, float]
"""What a round measured, by name; names say what they are, units are a second, items a second, bytes."""


@dataclass(frozen=True)
class Asked:
    """One line of the table: a ratio (or a figure), and the least or the most that it should be."""

    what: str
    ratio: Callable[[Figures], float]
    least: float | None = None
    most: float | None = None
    mean: bool = False
    """Whether the mean of the rounds counts, as for costs of which each round measured a part; else the median."""

    def met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    @property
    def bound(self) -> str:
        if self.least is None and self.most is None:
            return "nothing"
        return f">= {self.least:.4g}" if self.least is not None else f"<= {self.most:.3g}"


def _with_bare_http(figures: Figures) -> float:
    """Lone texts a second if they cost the encoder's best batch, a request that does nothing, and the generator."""
    encoding = figures["limit batched text CPU s"]
    return figures["limit texts/s"] * encoding / (encoding + figures["limit request CPU s"])


ASKED = (
    Asked("/encode_image at saturation / limit", lambda f: f["service photos/s"] / f["limit photos/s"], least=0.9),
    Asked("/encode_text, 32 texts a request / limit",
          lambda f: f["service texts/s, 32 a request"] / f["limit texts/s"], least=0.9),
    Asked("/encode_text, one text, 64 in flight / limit",
          lambda f: f["service texts/s, 64 in flight"] / f["limit texts/s"], least=0.6),
    Asked("  (with the encoder and bare HTTP alone)", lambda f: _with_bare_http(f) / f["limit texts/s"]),
    Asked("CPU of a photo at saturation: limit / service",
          lambda f: f["limit photo CPU s"] / f["service photo CPU s"], least=0.9),
    Asked("CPU of a text, 32 a request: limit / service",
          lambda f: f["limit batched text CPU s"] / f["service text CPU s, 32 a request"], least=0.9),
    Asked("CPU of a text, 64 in flight: limit / service",
          lambda f: f["limit batched text CPU s"] / f["service text CPU s, 64 in flight"], least=0.6),
    Asked("/encode_image / the design before, 32 in flight",
          lambda f: f["service photos/s, 32 in flight"] / f["before photos/s, 32 in flight"], least=3),
    Asked("  its p99 / the design before", lambda f: f["service photo p99 s"] / f["before photo p99 s"], most=0.5),
    Asked("/encode_text / the design before, 32 in flight",
          lambda f: f["service texts/s, 32 in flight"] / f["before texts/s, 32 in flight"], least=4),
    Asked("  its p99 / the design before", lambda f: f["service text p99 s"] / f["before text p99 s"], most=1 / 3),
    Asked("  (with the encoder and bare HTTP alone)",
          lambda f: _with_bare_http(f) / f["before texts/s, 32 in flight"]),
    Asked("/encode_image / infinity, 32 in flight",
          lambda f: f["service photos/s, 32 in flight"] / f["infinity photos/s, 32 in flight"], least=1.3),
    Asked("/encode_text / infinity, 32 in flight",
          lambda f: f["service texts/s, 32 in flight"] / f["infinity texts/s, 32 in flight"], least=1.3),
    Asked("search by words: CPU ms beyond the text's encoding",
          lambda f: f["service search CPU s beside its encoding"] * 1000, most=8, mean=True),
    Asked("  (beyond what the text alone takes in a process of its own)",
          lambda f: (f["service search CPU s"] - f["limit text CPU s"]) * 1000, mean=True),
    Asked("memory of service and runner, GB", lambda f: f["service memory"] / 1e9, most=1.2),
    Asked("start to ready / loading the model in plain Python",
          lambda f: f["service ready s"] / f["limit load s"], most=1.5),
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A line of the table: the median (or mean) over the rounds, and the smallest and the largest."""

    what: str
    bound: str
    value: float
    low: float
    high: float
    rounds: int
    met: bool


def lines(rounds: Sequence[Figures], table: Sequence[Asked] = ASKED) -> list[Line]:
    """What came of the rounds; each ratio is made within a round. What no round measured has no line."""
    made = []
    for asked in table:
        values = [value for figures in rounds if (value := _ratio(asked, figures)) is not None]
        if values:
            value = float(np.mean(values) if asked.mean else np.median(values))
            made.append(Line(asked.what, asked.bound, value, min(values), max(values), len(values), asked.met(value)))
    return made


def _ratio(asked: Asked, figures: Figures) -> float | None:
    try:
        return asked.ratio(figures)
    except KeyError:  # a figure that was not asked for
        return None


def medians(rounds: Sequence[Figures]) -> Figures:
    """Each figure's median over the rounds that have it: a load too slow for a latency has none of that name."""
    names = dict.fromkeys(name for figures in rounds for name in figures)
    found = {name: [figures[name] for figures in rounds if not isnan(figures.get(name, nan))] for name in names}
    return {name: float(np.median(values)) for name, values in found.items() if values}
