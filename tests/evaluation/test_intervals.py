from __future__ import annotations

import numpy as np
import pytest

from evaluation.bootstrap import mean_interval
from evaluation.compare import compare
from evaluation.errors import EvaluationError
from evaluation.report import Report


def test_equal_values_have_an_interval_without_width() -> None:
    interval = mean_interval(np.full(9, 0.25))
    assert (interval.mean, interval.low, interval.high) == (0.25, 0.25, 0.25)


def test_the_interval_is_as_wide_as_the_normal_one_for_many_values() -> None:
    values = np.random.default_rng(1).normal(0.5, 0.2, 1_000)
    interval = mean_interval(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert interval.high - interval.mean == pytest.approx(half, rel=0.1)
    assert interval.mean - interval.low == pytest.approx(half, rel=0.1)


def test_the_same_values_give_the_same_interval() -> None:
    values = np.random.default_rng(2).random(30)
    assert mean_interval(values) == mean_interval(values)


def a_report(**values: float) -> Report:
    return {"queries": [{"kind": name[0], "name": name, "metrics": {"map": value}} for name, value in values.items()]}


def test_runs_are_compared_query_by_query() -> None:
    first, second = a_report(a1=0.2, a2=0.4, b1=0.5), a_report(b1=0.5, a2=0.5, a1=0.3)
    by_a, by_b, over_all = compare(first, second, "map")
    assert (by_a.kind, by_a.queries) == ("a", 2)
    assert by_a.change.mean == pytest.approx(0.1)
    # Each query gained the same, so the paired interval has no width, though the queries differ among each other.
    assert by_a.change.low == pytest.approx(by_a.change.high)
    assert by_a.clear
    assert not by_b.clear
    assert over_all.queries == 3


def test_only_queries_of_both_runs_count() -> None:
    rows = compare(a_report(a1=0.2, a2=1.0), a_report(a1=0.4), "map")
    assert [(row.kind, row.queries) for row in rows] == [("a", 1), ("all queries", 1)]


def test_runs_without_a_query_in_common_cannot_be_compared() -> None:
    with pytest.raises(EvaluationError, match="share no query"):
        compare(a_report(a1=0.2), a_report(b1=0.2), "map")
