"""Each figure here is worked out by hand."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest

from evaluation.metrics import (
    METRICS,
    average_precision,
    measure,
    ndcg_at,
    precision_at,
    recall_at,
    reciprocal_rank,
)

# Relevant at the ranks 2, 3 and 6; a fourth relevant item is not found.
HITS = np.array([False, True, True, False, False, True, False], np.bool_)
RELEVANT = 4


def test_recall_counts_what_is_found_of_all_that_is_relevant() -> None:
    assert [recall_at(HITS, RELEVANT, k) for k in (1, 2, 5, 10)] == [0, 0.25, 0.5, 0.75]


def test_precision_counts_empty_places_as_wrong() -> None:
    assert precision_at(HITS, 3) == pytest.approx(2 / 3)
    assert precision_at(HITS, 10) == pytest.approx(0.3)


def test_reciprocal_rank_is_of_the_first_relevant_result() -> None:
    assert reciprocal_rank(HITS) == 0.5
    assert reciprocal_rank(np.zeros(5, np.bool_)) == 0


def test_average_precision_is_the_mean_over_all_relevant_items() -> None:
    assert average_precision(HITS, RELEVANT, 100) == pytest.approx((1 / 2 + 2 / 3 + 3 / 6) / 4)


def test_average_precision_can_be_perfect_with_more_relevant_items_than_places() -> None:
    assert average_precision(np.ones(5, np.bool_), 50, 5) == 1


def test_ndcg_divides_by_the_best_ranking() -> None:
    gain = 1 / log2(3) + 1 / log2(4) + 1 / log2(7)
    best = 1 + 1 / log2(3) + 1 / log2(4) + 1 / log2(5)
    assert ndcg_at(HITS, RELEVANT, 10) == pytest.approx(gain / best)
    assert ndcg_at(np.array([True] * 3 + [False] * 9, np.bool_), 3, 10) == 1


def test_ndcg_looks_no_deeper_than_asked() -> None:
    assert ndcg_at(np.array([False] * 10 + [True], np.bool_), 1, 10) == 0


def test_measure_gives_all_metrics() -> None:
    values = measure(HITS, RELEVANT, 100)
    assert tuple(values) == METRICS
    assert values["recall@5"] == 0.5
    assert values["mrr"] == 0.5


def test_nothing_found_is_zero_in_every_metric() -> None:
    assert set(measure(np.zeros(0, np.bool_), 3, 100).values()) == {0.0}


def test_a_query_without_relevant_items_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="relevant"):
        measure(HITS, 0, 100)
