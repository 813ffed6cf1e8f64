"""The catalogues that searches are measured on: their neighbours are known, and a part found counts as a part."""

from __future__ import annotations

import numpy as np

from benchmarks.scale.planted import CHUNK, NEIGHBOURS, chunks, exact, recall


def queries(count: int = 6, dim: int = 64) -> np.ndarray:
    random = np.random.default_rng(1).standard_normal((count, dim), dtype=np.float32)
    made: np.ndarray = random / np.linalg.norm(random, axis=1, keepdims=True)
    return made


def test_the_exact_search_finds_what_was_planted() -> None:
    asked = queries()
    vectors = np.concatenate([part for _, part in chunks(asked, CHUNK + 500)])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    found = exact(asked, len(vectors), 10)
    assert np.array_equal(found, np.argsort(-(asked @ vectors.T), axis=1)[:, :10])
    # The best of each query are the last of its own neighbours, at a cosine of up to 0.9.
    assert [row[0] for row in found] == [NEIGHBOURS * (number + 1) - 1 for number in range(len(asked))]


def test_a_larger_catalogue_begins_with_the_smaller_one() -> None:
    (_, small), (_, large) = next(chunks(queries(), 1000)), next(chunks(queries(), CHUNK))
    assert np.allclose(small[: 6 * NEIGHBOURS], large[: 6 * NEIGHBOURS], atol=1e-6)


def test_recall_is_the_share_that_was_found() -> None:
    true = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    assert recall(true[:, ::-1], true) == 1.0
    assert recall(np.array([[1, 2, 9, 10], [5, 6, 7, 11]]), true) == 5 / 8
