"""Texts and pixels to unit vectors, by any transformers dual encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import cycle, islice
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np
import torch
from loguru import logger
from numpy.typing import NDArray

from clip_runner.backends.graphs import Batch, sizes_up_to
from clip_runner.backends.halving import Halving, best_size
from clip_runner.backends.interface import Backend, Tokens
from clip_runner.backends.precision import fastest_that_agrees
from clip_runner.backends.torch_backend import TorchBackend
from clip_runner.hardware import fast_dtypes
from clip_runner.identity import ModelIdentity
from clip_runner.loading import LoadedModel, load_model
from clip_runner.probes import PROBE_TEXTS, probe_pixels
from clip_runner.settings import RunnerSettings
from clip_runner.tokens import groups, masks, padded, shares, tokenise

# On a GPU, at start: photos at once that are tried, and tokens of the texts whose pass is recorded (searches: 5 to 20).
_TUNED_SIZES = (8, 16, 32, 64, 128, 256)
_TUNING_PASSES = 5
_RECORDED_LENGTHS = (8, 16, 24, 32)

_PROBE_PHOTOS = 2  # in float32 they take a good part of a small machine's start


def text_row_type(dim: int) -> np.dtype[Any]:
    """The record that a text becomes: its unit vector, and whether the model's context cut it short."""
    return np.dtype([("vector", "<f4", (dim,)), ("truncated", "?")])


class Encoder:
    """A dual encoder, loaded, checked against float32 and warmed up. Any thread may ask."""

    def __init__(self, settings: RunnerSettings, backend: Backend | None = None) -> None:
        """Load the model; `backend` computes it instead of the one of `MODEL_BACKEND`."""
        started = perf_counter()
        loaded: LoadedModel = load_model(settings.model_id)
        self._tokenizer = loaded.tokenizer
        self._tokenising, self._turn = Lock(), Lock()
        self._to_full_length = loaded.text_padding == "max_length"
        self.identity: ModelIdentity = loaded.identity
        self.pixel_spec = loaded.pixel_spec
        self.context_tokens = loaded.context_tokens
        self._texts_that_fit = Halving("texts", settings.max_text_batch)
        self._photos_that_fit = Halving("photos", settings.max_image_batch)
        self._backend = backend or self._made(settings, loaded)
        if backend or settings.model_dtype != "auto":
            self._probe_vectors()  # as the search for the fastest type does: the first pass allocates
        logger.info(
            "{} on {} in {} by {}, ready after {:.1f} s",
            self.identity.model,
            self.device,
            self.dtype,
            settings.model_backend,
            perf_counter() - started,
        )

    @property
    def device(self) -> str:
        return self._backend.device

    @property
    def side_by_side(self) -> bool:
        """Whether batches are computed beside each other where several threads ask; if not, one after the other."""
        return self._backend.side_by_side

    @property
    def dtype(self) -> str:
        """float32, bfloat16, float16, or mixed (sums and norms float32, products bfloat16)."""
        return self._backend.dtype

    def encode_texts(self, texts: Sequence[str]) -> NDArray[Any]:
        """Unit vectors of texts.

        Returns:
            Shape (n,), records of `text_row_type(dim)`: `vector` (dim,) float32 and `truncated`.
        """
        rows = np.zeros(len(texts), text_row_type(self.identity.dim))
        if len(texts) == 0:
            return rows
        ids, rows["truncated"] = self._tokenised(texts)
        order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
        by_length = [ids[number] for number in order]
        rows["vector"][order] = _unit(
            self._texts_that_fit.run(len(ids), lambda piece: self._text_features(by_length[piece]))
        )
        return rows

    def _text_features(self, ids: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Features (n, dim) of texts by rising length."""
        parts = shares(ids, self._backend.text_parts(len(ids), sum(map(len, ids))))
        passes = [[self._padded(group) for group in groups(part)] for part in parts]
        with self._computing():
            return self._backend.texts(passes)

    def _photo_features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._computing():
            return self._backend.photos(pixels)

    def _computing(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._backend.side_by_side else self._turn

    def _tokenised(self, texts: Sequence[str]) -> tuple[list[NDArray[np.int64]], NDArray[np.bool_]]:
        with self._tokenising:  # where two threads do, it may raise that it is "already borrowed"
            return tokenise(self._tokenizer, texts, self.context_tokens, to_full_length=self._to_full_length)

    def _padded(self, ids: Sequence[NDArray[np.int64]]) -> Tokens:
        if not masks(self._tokenizer):
            return padded(ids, self._tokenizer)
        step = self._backend.text_step
        length = -(-max(map(len, ids)) // step) * step
        return padded(ids, self._tokenizer, min(length, self.context_tokens))

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors of photos.

        Args:
            pixels: uint8, shape (n, height, width, 3), RGB, as `clip_runner.pixels` makes them.

        Returns:
            float32, shape (n, dim).
        """
        if len(pixels) == 0:
            return np.zeros((0, self.identity.dim), np.float32)
        return _unit(self._photos_that_fit.run(len(pixels), lambda piece: self._photo_features(pixels[piece])))

    def record(self) -> None:
        """Make passes cheaper, where that can be done while others encode: on a CPU, by torch. Takes up to a second."""
        if isinstance(self._backend, TorchBackend):
            texts = [*PROBE_TEXTS, f"{PROBE_TEXTS[0]} " * self.context_tokens]
            ids, _ = self._tokenised(texts)
            ids.sort(key=len)
            photos = [probe_pixels(self.pixel_spec, count) for count in (1, 3)]
            # Recorded of two, and tried on the shortest alone and on all beside one of full length.
            self._backend.script(photos, [self._padded(some) for some in (ids[:2], ids[:1], ids)])

    def _made(self, settings: RunnerSettings, loaded: LoadedModel) -> Backend:
        """The backend of the settings, in the type asked for or in the fastest that agrees with float32."""
        if settings.model_backend == "openvino":
            from clip_runner.backends.openvino_backend import OpenVinoBackend

            made = self._backend = OpenVinoBackend(settings, loaded)
            self._choose(settings, fast_dtypes(torch.device("cpu"))[:1], made.use)
            made.settle()
            return made
        by_torch = self._backend = TorchBackend(settings, loaded)
        if settings.model_dtype != "auto":
            by_torch.settle()
        self._choose(settings, fast_dtypes(torch.device(by_torch.device)), by_torch.use)
        by_torch.settle()
        if torch.device(by_torch.device).type == "cuda":
            by_torch.capture(*self._shapes(settings))
            if by_torch.records_photos:
                by_torch.photos_at_once = self._tuned(by_torch, settings.max_image_batch)
        return by_torch

    def _shapes(self, settings: RunnerSettings) -> tuple[list[Batch], list[Batch]]:
        """Batches of photos and of texts, in the shapes that come most."""
        pixels = probe_pixels(self.pixel_spec, 4)
        photos: list[Batch] = [
            {"pixels": np.resize(pixels, (size, *pixels.shape[1:]))} for size in sizes_up_to(settings.max_image_batch)
        ]
        ids, _ = self._tokenised(["x", *PROBE_TEXTS])
        lengths = [max(map(len, ids))]
        if masks(self._tokenizer) and not self._to_full_length:
            lengths = [length for length in _RECORDED_LENGTHS if length <= self.context_tokens]
        texts: list[Batch] = []
        for length in lengths:
            fitting = cycle([text for text in ids if len(text) <= length])
            texts += [
                padded(list(islice(fitting, size)), self._tokenizer, length)
                for size in sizes_up_to(settings.max_text_batch)
            ]
        return photos, texts

    def _choose(self, settings: RunnerSettings, candidates: Sequence[str], use: Callable[[str], None]) -> None:
        if settings.model_dtype == "auto":
            fastest_that_agrees(candidates, use, self._probe_vectors)
        else:
            use(settings.model_dtype)

    def _tuned(self, by_torch: TorchBackend, most: int) -> int:
        """The piece of a batch of photos that this device encodes fastest, as tried out."""
        pixels = probe_pixels(self.pixel_spec, 4)
        batch = np.resize(pixels, (most, *pixels.shape[1:]))

        def rate(size: int) -> float:
            by_torch.photos_at_once = size
            by_torch.photos(batch)
            start = perf_counter()
            for _ in range(_TUNING_PASSES):
                by_torch.photos(batch)
            return most * _TUNING_PASSES / (perf_counter() - start)

        sizes = [size for size in _TUNED_SIZES if size < most] + [most]
        chosen = best_size(sizes, rate)
        logger.info("{} photos at once are the fastest here", chosen)
        return chosen

    def _probe_vectors(self) -> NDArray[np.float32]:
        texts = self.encode_texts(PROBE_TEXTS)["vector"]
        return np.concatenate([texts, self.encode_pixels(probe_pixels(self.pixel_spec, _PROBE_PHOTOS))])


def _unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit vectors; the length is bounded from below as torch's `normalize` does, so that zeros stay zeros."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    vectors: NDArray[np.float32] = features / np.maximum(lengths, 1e-12)
    return vectors
