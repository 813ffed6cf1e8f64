"""Two runs of the same queries, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.bootstrap import Interval, mean_interval
from evaluation.errors import EvaluationError
from evaluation.report import Report


@dataclass(frozen=True)
class Difference:
    """A kind's means in both runs, and the mean of the differences with its paired interval (second - first)."""

    kind: str
    queries: int
    first: float
    second: float
    change: Interval

    @property
    def clear(self) -> bool:
        """Whether the interval of the change leaves out zero."""
        return self.change.low > 0 or self.change.high < 0


def compare(first: Report, second: Report, metric: str) -> list[Difference]:
    """The differences of a metric by kind, over the queries that both runs have; the last one is over all.

    Raises EvaluationError where the runs share no query.
    """
    one, other = _by_query(first, metric), _by_query(second, metric)
    shared = [key for key in one if key in other]
    if not shared:
        raise EvaluationError("the two runs share no query; measure both with the same file of queries")
    kinds: dict[str, list[tuple[str, str]]] = {}
    for key in shared:
        kinds.setdefault(key[0], []).append(key)
    rows = [_difference(kind, [one[key] for key in keys], [other[key] for key in keys]) for kind, keys in kinds.items()]
    return [*rows, _difference("all queries", [one[key] for key in shared], [other[key] for key in shared])]


def _by_query(content: Report, metric: str) -> dict[tuple[str, str], float]:
    rows: list[dict[str, Any]] = content["queries"]
    try:
        return {(row["kind"], row["name"]): row["metrics"][metric] for row in rows}
    except KeyError as error:
        raise EvaluationError(f"the runs have no metric {error}") from error


def _difference(kind: str, first: list[float], second: list[float]) -> Difference:
    one, other = np.array(first), np.array(second)
    return Difference(kind, len(one), float(one.mean()), float(other.mean()), mean_interval(other - one))
