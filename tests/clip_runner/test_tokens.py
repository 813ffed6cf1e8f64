"""Short texts do not pay for long ones, and none for its company."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clip_runner.backends.interface import Tokens
from clip_runner.backends.torch_backend import TorchBackend
from clip_runner.encoder import Encoder
from clip_runner.loading import load_model
from clip_runner.tokens import groups, shares
from tests.clip_runner.narrow_model import TEXTS, narrow, small
from tests.clip_runner.test_encoder import settings

__all__ = ["small"]  # a fixture: the narrow model


def by_length(*lengths: int) -> list[NDArray[np.int64]]:
    return [np.zeros(length, np.int64) for length in lengths]


def test_texts_are_grouped_by_length() -> None:
    texts = by_length(*[8] * 30, 9, 10, *[40] * 20)
    assert [[len(text) for text in group] for group in groups(texts)] == [[8] * 30 + [9, 10], [40] * 20]
    assert [len(group) for group in groups(by_length(3, 9, 30))] == [3]


@pytest.mark.parametrize(
    ("lengths", "parts", "cut"),
    [
        ([5, 5, 5, 5, 10, 10], 2, [[5, 5, 5, 5], [10, 10]]),
        ([3, 70], 2, [[3], [70]]),
        ([3, 4, 70], 3, [[3, 4], [70]]),
        ([7, 7, 7], 2, [[7], [7, 7]]),
        ([7, 7, 7], 1, [[7, 7, 7]]),
        ([7], 1, [[7]]),
    ],
)
def test_parts_have_about_as_many_tokens(lengths: list[int], parts: int, cut: list[list[int]]) -> None:
    assert [[len(text) for text in part] for part in shares(by_length(*lengths), parts)] == cut


def test_a_texts_company_changes_nothing(small: Path) -> None:
    encoder = Encoder(settings(small))
    alone = np.concatenate([encoder.encode_texts([text])["vector"] for text in TEXTS])
    assert np.allclose(encoder.encode_texts(TEXTS)["vector"], alone, atol=1e-5)


class Padding(TorchBackend):
    """As on a GPU, where texts come in few lengths; keeps which."""

    def __init__(self, model: Path) -> None:
        super().__init__(settings(model), load_model(str(model)))
        self.text_step = 8
        self.lengths: set[int] = set()

    def texts(self, parts: Sequence[Sequence[Tokens]]) -> NDArray[np.float32]:
        self.lengths |= {tokens["input_ids"].shape[1] for part in parts for tokens in part}
        return super().texts(parts)


@pytest.mark.parametrize("context", [30, 32])
def test_texts_padded_to_fewer_lengths_have_the_same_vectors(tmp_path: Path, context: int) -> None:
    model = narrow(tmp_path / "model", context=context)
    backend, texts = Padding(model), [*TEXTS, "red dress with buttons " * 12]
    ours = Encoder(settings(model), backend).encode_texts(texts)["vector"]
    assert np.allclose(ours, Encoder(settings(model)).encode_texts(texts)["vector"], atol=1e-5)
    assert context in backend.lengths  # the longest, whatever the step
    assert backend.lengths <= {8, 16, 24, context}
