"""Measures of a ranking, with binary relevance. Definitions: Manning, Raghavan, Schuetze, "Introduction to
Information Retrieval", chapter 8; nDCG: Jarvelin and Kekalainen 2002.

A ranking is given as `hits`, bool (n,): whether the result at each rank is relevant, best first. `relevant` is the
number of relevant items in the catalogue, found or not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hits = NDArray[np.bool_]

METRICS = ("recall@1", "recall@5", "recall@10", "precision@10", "mrr", "map", "ndcg@10")
"""Names of what `measure` gives, in the order of tables."""


def recall_at(hits: Hits, relevant: int, k: int) -> float:
    """Share of the relevant items that are among the first `k`."""
    return float(hits[:k].sum()) / relevant


def precision_at(hits: Hits, k: int) -> float:
    """Share of the first `k` places that hold a relevant item; a place that is not filled holds none."""
    return float(hits[:k].sum()) / k


def reciprocal_rank(hits: Hits) -> float:
    """1 over the rank of the first relevant item, counted from 1; 0 where there is none."""
    return 1.0 / (int(hits.argmax()) + 1) if hits.any() else 0.0


def average_precision(hits: Hits, relevant: int, depth: int) -> float:
    """Mean of the precision at each relevant item's rank, over those that `depth` places could hold at best."""
    ranks = np.flatnonzero(hits[:depth]) + 1
    found = np.arange(1, len(ranks) + 1)
    return float((found / ranks).sum()) / min(relevant, depth)


def ndcg_at(hits: Hits, relevant: int, k: int) -> float:
    """Discounted gain of the first `k`, over that of the best possible ranking; discount 1 / log2(rank + 1)."""
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    gain = discounts[: len(hits[:k])][hits[:k]].sum()
    return float(gain / discounts[: min(relevant, k)].sum())


def measure(hits: Hits, relevant: int, depth: int) -> dict[str, float]:
    """All of `METRICS` for one query whose ranking was looked at down to `depth`.

    Raises ValueError where nothing is relevant: such a query measures nothing.
    """
    if relevant < 1:
        raise ValueError("a query without a relevant item cannot be measured")
    values = (
        recall_at(hits, relevant, 1),
        recall_at(hits, relevant, 5),
        recall_at(hits, relevant, 10),
        precision_at(hits, 10),
        reciprocal_rank(hits),
        average_precision(hits, relevant, depth),
        ndcg_at(hits, relevant, 10),
    )
    return dict(zip(METRICS, values, strict=True))
