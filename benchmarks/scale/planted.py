"""Large catalogues of vectors whose true neighbours are known: random ones, with neighbours planted around queries."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 20
"""Vectors planted around each query, at cosines spread evenly from 0.5 to 0.9."""

CHUNK = 10_000
_SEED = 8

Vectors = NDArray[np.float32]


def chunks(queries: Vectors, items: int) -> Iterator[tuple[int, Vectors]]:
    """All vectors of a catalogue, float32 unit vectors (n, dim), with each chunk's first number; always the same.

    The planted ones come first; a catalogue begins with all of any smaller one.
    """
    planted = _around(queries)
    for start in range(0, items, CHUNK):
        random = np.random.default_rng([_SEED, start])
        made = random.standard_normal((min(CHUNK, items - start), queries.shape[1]), dtype=np.float32)
        here = planted[start : start + len(made)]
        made[: len(here)] = here
        yield start, made / np.linalg.norm(made, axis=1, keepdims=True)


def _around(queries: Vectors) -> Vectors:
    random = np.random.default_rng(_SEED)
    cosines = np.linspace(0.5, 0.9, NEIGHBOURS, dtype=np.float32)
    groups = []
    for query in queries:
        away = random.standard_normal((NEIGHBOURS, len(query)), dtype=np.float32)
        away -= np.outer(away @ query, query)
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        groups.append(cosines[:, None] * query + np.sqrt(1 - cosines**2)[:, None] * away)
    return np.concatenate(groups).astype(np.float32)


def exact(queries: Vectors, items: int, count: int) -> NDArray[np.int64]:
    """The numbers of each query's `count` nearest vectors, by comparing with every one: int64 (queries, count)."""
    best = np.full((len(queries), count), -2, np.float32)
    numbers = np.zeros((len(queries), count), np.int64)
    for start, vectors in chunks(queries, items):
        cosines = np.concatenate([best, queries @ vectors.T], axis=1)
        here = np.broadcast_to(np.arange(start, start + len(vectors)), (len(queries), len(vectors)))
        candidates = np.concatenate([numbers, here], axis=1)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        best = np.take_along_axis(cosines, order, axis=1)
        numbers = np.take_along_axis(candidates, order, axis=1)
    return numbers


def recall(found: NDArray[np.int64], true: NDArray[np.int64]) -> float:
    """The share of the true neighbours that were found."""
    hits = [len(np.intersect1d(here, there)) for here, there in zip(found, true, strict=True)]
    return sum(hits) / true.size
