from __future__ import annotations

import numpy as np
import pytest

from api.search import combine

A, B, C = np.eye(3, dtype=np.float32)


def test_alone_each_counts_whole() -> None:
    assert np.array_equal(combine(A, [], 0.1), A)
    assert np.array_equal(combine(None, [B], 0.9), B)


def test_words_count_their_weight() -> None:
    vector = combine(A, [B], 0.8)
    assert vector[0] / vector[1] == pytest.approx(4)
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_pictures_share_the_rest_equally() -> None:
    vector = combine(A, [B, C], 0.5)
    assert vector[1] == vector[2] == pytest.approx(vector[0] / 2)


def test_opposite_vectors_leave_the_picture() -> None:
    assert np.array_equal(combine(-A, [A], 0.5), A)
