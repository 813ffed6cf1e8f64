"""Several threads may ask an encoder at once, whether or not its backend computes batches beside each other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clip_runner.backends.interface import Tokens
from clip_runner.backends.torch_backend import TorchBackend
from clip_runner.encoder import Encoder
from clip_runner.loading import load_model
from clip_runner.probes import probe_pixels
from clip_runner.settings import RunnerSettings
from tests.clip_runner.narrow_model import TEXTS, cosine, small
from tests.clip_runner.test_encoder import settings

__all__ = ["small"]  # a fixture: the narrow model

THREADS, ROUNDS = 4, 10


class Counting(TorchBackend):
    """Counts the batches that are under way in it."""

    def __init__(self, given: RunnerSettings, *, side_by_side: bool) -> None:
        super().__init__(given, load_model(given.model_id))
        self.side_by_side = side_by_side
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        self.met = threading.Event()

    def _begun(self) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            if self._now > 1:
                self.met.set()
        self.met.wait(0 if not self.side_by_side else 10)  # two may meet, where they may at all

    def _ended(self) -> None:
        with self._lock:
            self._now -= 1

    def texts(self, parts: Sequence[Sequence[Tokens]]) -> NDArray[np.float32]:
        self._begun()
        try:
            return super().texts(parts)
        finally:
            self._ended()

    def photos(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._begun()
        try:
            return super().photos(pixels)
        finally:
            self._ended()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("side_by_side", "most"), [(True, THREADS), (False, 1)])
def test_threads_that_ask_at_once_get_what_each_would_alone(
    small: Path,
    monkeypatch: pytest.MonkeyPatch,
    side_by_side: bool,
    most: int,
    dtype: str,
) -> None:
    monkeypatch.setattr("clip_runner.backends.threads._ENOUGH_FOR_A_PART", 1)  # all batches go in parts
    given = settings(small, model_dtype=dtype, model_threads=2)
    alone = Encoder(given)
    pixels = probe_pixels(alone.pixel_spec, 12)
    texts, photos = alone.encode_texts(TEXTS)["vector"], alone.encode_pixels(pixels)
    backend = Counting(given, side_by_side=side_by_side)
    backend.met.set()  # the encoder's own first passes wait for nobody
    encoder = Encoder(given, backend)
    backend.met.clear()
    backend.most = 0

    def ask(thread: int) -> None:
        for _ in range(ROUNDS):
            if thread % 2:
                assert cosine(encoder.encode_texts(TEXTS)["vector"], texts) > 0.9999
            else:
                assert cosine(encoder.encode_pixels(pixels), photos) > 0.9999

    with ThreadPoolExecutor(THREADS + 1) as threads:
        recording = threads.submit(encoder.record)
        for _ in threads.map(ask, range(THREADS)):
            pass
        recording.result()
    assert set(backend._scripts) == {"texts", "photos"}
    assert 1 <= backend.most <= most
    assert encoder.side_by_side == (backend.most > 1) == side_by_side


def test_many_photos_go_in_passes_of_a_few(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder(settings(small, model_dtype="float32", model_threads=1))
    pixels = probe_pixels(encoder.pixel_spec, 12)
    together = encoder.encode_pixels(pixels)
    passes: list[int] = []
    backend = encoder._backend
    assert isinstance(backend, TorchBackend)
    by_tower = backend._photos_by_tower

    def counted(some: NDArray[np.uint8]) -> NDArray[np.float32]:
        passes.append(len(some))
        return by_tower(some)

    monkeypatch.setattr(backend, "_photos_by_tower", counted)
    monkeypatch.setattr("clip_runner.backends.torch_backend._PHOTO_ROWS", 5 * 16)  # of 16 patches each
    assert cosine(encoder.encode_pixels(pixels), together) > 0.99999
    assert passes == [4, 4, 4]
