"""A batch that does not fit is halved, and the smallest that is fast enough is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clip_runner.backends.halving import Halving, best_size
from clip_runner.backends.interface import OutOfMemory
from clip_runner.backends.torch_backend import TorchBackend
from clip_runner.encoder import Encoder
from clip_runner.loading import load_model
from clip_runner.probes import probe_pixels
from tests.clip_runner.narrow_model import cosine, small, vectors
from tests.clip_runner.test_encoder import settings

__all__ = ["small"]  # a fixture: the narrow model


class Small:
    """A torch model on a device that holds no more than some photos or texts at once."""

    def __init__(self, model: Any, room: int) -> None:
        self._model, self._room = model, room
        self.batches: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def _fits(self, count: int) -> None:
        if count > self._room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append(count)

    def get_image_features(self, pixel_values: torch.Tensor) -> Any:
        self._fits(len(pixel_values))
        return self._model.get_image_features(pixel_values=pixel_values)

    def get_text_features(self, **tokens: torch.Tensor) -> Any:
        self._fits(len(tokens["input_ids"]))
        return self._model.get_text_features(**tokens)


def encoder_with_room_for(room: int, model: Path) -> tuple[Encoder, Small]:
    loaded = load_model(str(model))
    backend = TorchBackend(settings(model), loaded)
    backend._model = cramped = Small(loaded.model, room)
    backend._set_up_towers()
    return Encoder(settings(model), backend), cramped


def test_a_batch_that_does_not_fit_is_halved_and_its_vectors_are_the_same(small: Path) -> None:
    cramped, model = encoder_with_room_for(5, small)
    assert cosine(vectors(cramped), vectors(Encoder(settings(small)))) > 0.99999
    assert max(model.batches) <= 5
    model.batches.clear()
    cramped.encode_pixels(probe_pixels(cramped.pixel_spec, 12))
    assert model.batches == [3, 3, 3, 3]  # what did not fit once is not tried again


def test_one_item_that_does_not_fit_fails(small: Path) -> None:
    with pytest.raises(OutOfMemory):
        encoder_with_room_for(0, small)


def test_halving_encodes_each_item_once_and_in_order() -> None:
    seen: list[slice] = []

    def encode(piece: slice) -> NDArray[np.float32]:
        if piece.stop - piece.start > 3:
            raise OutOfMemory
        seen.append(piece)
        return np.arange(piece.start, piece.stop, dtype=np.float32)[:, None]

    assert Halving("items", 16).run(10, encode).ravel().tolist() == list(range(10))
    assert [(piece.start, piece.stop) for piece in seen] == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]


def test_the_smallest_batch_that_is_nearly_the_fastest_is_taken() -> None:
    rates = {8: 50.0, 16: 97.0, 32: 100.0}

    def rate(size: int) -> float:
        if size > 32:
            raise OutOfMemory
        return rates[size]

    assert best_size([8, 16, 32, 64], rate) == 16
    assert best_size([64], rate) == 64  # halving finds out what fits
