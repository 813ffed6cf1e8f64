"""Texts and pixels to unit vectors, by any transformers dual encoder."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch
from loguru import logger
from numpy.typing import NDArray

from clip_runner.hardware import choose_device, fast_dtypes
from clip_runner.identity import ModelIdentity
from clip_runner.loading import LoadedModel, load_model
from clip_runner.settings import RunnerSettings

# Below this cosine to float32 a faster type is not worth it: neighbours begin to change places.
_MIN_COSINE = 0.999

_PROBE_TEXTS = ("a photo of a black leather jacket.", "red dress", "men's blue denim jeans, slim fit")


def text_row_type(dim: int) -> np.dtype[Any]:
    """The record that a text becomes: its unit vector, and whether the model's context cut it short."""
    return np.dtype([("vector", "<f4", (dim,)), ("truncated", "?")])


class Encoder:
    """A dual encoder, loaded, checked against float32 and warmed up. One thread at a time."""

    def __init__(self, settings: RunnerSettings) -> None:
        started = perf_counter()
        self.device = choose_device(settings.model_device)
        if self.device.type == "cpu":
            torch.set_num_threads(settings.model_threads)
        self._load(settings)
        self.dtype = self._choose_dtype(settings)
        texts_s, photos_s = self._warm_up()
        logger.info(
            "{} on {} in {}: {:.0f} texts/s, {:.0f} photos/s, ready after {:.1f} s",
            self.identity.model,
            self.device,
            str(self.dtype).removeprefix("torch."),
            texts_s,
            photos_s,
            perf_counter() - started,
        )

    def _load(self, settings: RunnerSettings) -> None:
        loaded: LoadedModel = load_model(settings.model_id)
        self._model = loaded.model.to(self.device)
        self._tokenizer = loaded.tokenizer
        self._text_padding = loaded.text_padding
        self.identity: ModelIdentity = loaded.identity
        self.pixel_spec = loaded.pixel_spec
        self.context_tokens = loaded.context_tokens
        self._mean = torch.tensor(loaded.mean, device=self.device).view(1, 3, 1, 1)
        self._std = torch.tensor(loaded.std, device=self.device).view(1, 3, 1, 1)
        self._rescale = loaded.rescale

    def encode_texts(self, texts: Sequence[str]) -> NDArray[Any]:
        """Unit vectors of texts.

        Returns:
            Shape (n,), records of `text_row_type(dim)`: `vector` (dim,) float32 and `truncated`.
        """
        rows = np.zeros(len(texts), text_row_type(self.identity.dim))
        if len(texts) == 0:
            return rows
        tokens = self._tokenizer(
            list(texts),
            truncation=True,
            max_length=self.context_tokens,
            # A batch costs as much as its longest text: 77 tokens about six times as much as 12.
            padding=self._text_padding,
            return_tensors="pt",
        )
        rows["truncated"] = [bool(encoding.overflowing) for encoding in tokens.encodings]
        with torch.inference_mode():
            output = self._model.get_text_features(**tokens.to(self.device))
        rows["vector"] = _unit(output)
        return rows

    def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors of photos.

        Args:
            pixels: uint8, shape (n, height, width, 3), RGB, as `clip_runner.pixels` makes them.

        Returns:
            float32, shape (n, dim).
        """
        if len(pixels) == 0:
            return np.zeros((0, self.identity.dim), np.float32)
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device, non_blocking=True)
            values = batch.permute(0, 3, 1, 2).float() * self._rescale
            values = ((values - self._mean) / self._std).to(self._model.dtype)
            output = self._model.get_image_features(pixel_values=values)
        return _unit(output)

    def _choose_dtype(self, settings: RunnerSettings) -> torch.dtype:
        """Set the model's type: the one asked for, or the fastest that agrees with float32."""
        if settings.model_dtype != "auto":
            asked: torch.dtype = getattr(torch, settings.model_dtype)
            self._model.to(asked)
            return asked
        candidates = fast_dtypes(self.device)
        if not candidates:
            return torch.float32
        reference = self._probe_vectors()
        for dtype in candidates:
            self._model.to(dtype)
            cosine = float((self._probe_vectors() * reference).sum(axis=1).min())
            if cosine >= _MIN_COSINE:
                return dtype
            logger.info("{} loses too much (cosine {:.4f} to float32)", dtype, cosine)
            # Rounded weights cannot be widened again: read them anew rather than hold two copies.
            self._load(settings)
        return torch.float32

    def _probe_vectors(self) -> NDArray[np.float32]:
        texts = self.encode_texts(_PROBE_TEXTS)["vector"]
        return np.concatenate([texts, self.encode_pixels(self._probe_pixels(4))])

    def _probe_pixels(self, count: int) -> NDArray[np.uint8]:
        """Soft coloured shapes with a little grain: nearer to photos than noise is."""
        random = np.random.default_rng(0)
        height, width = self.pixel_spec.height, self.pixel_spec.width
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        photos = np.empty((count, height, width, 3), np.uint8)
        for photo in photos:
            centre, spread = random.uniform(0.3, 0.7, 2), random.uniform(0.1, 0.4, 2)
            shape = np.exp(-(((x / width - centre[0]) / spread[0]) ** 2) - ((y / height - centre[1]) / spread[1]) ** 2)
            colours = random.uniform(0, 255, (2, 3))
            blend = shape[..., None] * colours[0] + (1 - shape[..., None]) * colours[1]
            photo[...] = np.clip(blend + random.normal(0, 8, blend.shape), 0, 255)
        return photos

    def _warm_up(self) -> tuple[float, float]:
        """Run both towers until their buffers are allocated; texts/s and photos/s of a small batch."""
        texts, pixels = list(_PROBE_TEXTS) * 4, self._probe_pixels(4)
        self.encode_texts(texts)
        self.encode_pixels(pixels)
        start = perf_counter()
        self.encode_texts(texts)
        middle = perf_counter()
        self.encode_pixels(pixels)
        return len(texts) / (middle - start), len(pixels) / (perf_counter() - middle)


def _unit(output: Any) -> NDArray[np.float32]:
    """Unit float32 vectors of what `get_*_features` returned (an object since transformers 5)."""
    features = getattr(output, "pooler_output", output).float()
    vectors: NDArray[np.float32] = torch.nn.functional.normalize(features, dim=-1).cpu().numpy()
    return vectors
