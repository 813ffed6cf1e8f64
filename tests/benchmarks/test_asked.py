"""The table: each ratio is made within a round, and a figure that nobody measured has no line."""

from __future__ import annotations

from benchmarks.asked import Asked, lines, medians
from benchmarks.report import table

ASKED = (
    Asked("rate", lambda f: f["a"] / f["b"], least=2),
    Asked("cost", lambda f: f["c"], most=8, mean=True),
    Asked("elsewhere", lambda f: f["d"], most=1),
)
ROUNDS = [{"a": 4.0, "b": 2.0, "c": 1.0}, {"a": 9.0, "b": 3.0, "c": 2.0}, {"a": 5.0, "b": 5.0, "c": 30.0}]


def test_the_median_of_the_rounds_counts_and_for_costs_the_mean() -> None:
    rate, cost = lines(ROUNDS, ASKED)
    assert (rate.value, rate.low, rate.high, rate.rounds, rate.met) == (2, 1, 3, 3, True)
    assert (cost.value, cost.met) == (11, False)


def test_a_round_without_a_figure_is_left_out_of_its_lines() -> None:
    rounds = [*ROUNDS, {"d": 0.5}]
    assert [(line.what, line.rounds) for line in lines(rounds, ASKED)] == [("rate", 3), ("cost", 3), ("elsewhere", 1)]
    assert medians(rounds)["d"] == 0.5


def test_the_table_tells_what_is_short() -> None:
    shown = table(lines(ROUNDS, ASKED)).splitlines()
    assert shown[1].split() == ["rate", ">=", "2", "2", "1", "..", "3", "3", "met"]
    assert shown[2].endswith("short")


def test_a_round_without_a_figure_does_not_count() -> None:
    assert medians([{"p99": 1.0}, {"p99": float("nan")}, {}, {"p99": 3.0}]) == {"p99": 2.0}
    assert medians([{"p99": float("nan")}]) == {}
