"""Confidence intervals of means by resampling the queries (Efron's percentile bootstrap)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS = 2_000
LEVEL = 0.95
SEED = 20_230_817


@dataclass(frozen=True)
class Interval:
    """A mean, and the bounds within which 95 % of the resampled means lie."""

    mean: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        return {"mean": round(self.mean, 4), "low": round(self.low, 4), "high": round(self.high, 4)}


def mean_interval(values: NDArray[np.float64], *, draws: int = DRAWS, seed: int = SEED) -> Interval:
    """The mean of `values`, float64 (n,) with n >= 1, and its interval; the same values give the same interval.

    For the difference of two runs give the differences query by query: a paired bootstrap.
    """
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(values), size=(draws, len(values)))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values[picks].mean(axis=1), [tail, 1 - tail])
    return Interval(float(values.mean()), float(low), float(high))
