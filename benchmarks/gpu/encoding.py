"""The encoder on a device: items a second of pixels and texts that lie in the processor's memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.asked import Figures
from benchmarks.rates import encoding, rate
from clip_runner.encoder import Encoder
from clip_runner.loading import load_model
from clip_runner.settings import RunnerSettings

PHOTO_BATCHES = (1, 8, 32, 64, 128, 256, 512, 1024)
_MOST_ON_CPU = 64
TEXT_BATCHES = (1, 32, 128, 1024)


def flop_a_photo(model: Path) -> float:
    """Floating-point operations of one photo in the vision tower, as torch counts them."""
    loaded = load_model(str(model))
    pixels = torch.zeros(1, 3, loaded.pixel_spec.height, loaded.pixel_spec.width)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        loaded.model.get_image_features(pixel_values=pixels)
    return float(counter.get_total_flops())


def encoder(model: Path, device: str, **settings: Any) -> Encoder:
    """An encoder of the folder's model, with the settings of the runner but for these."""
    return Encoder(RunnerSettings(_env_file=None, model_id=str(model), model_device=device, **settings))


def least_cosine(encoder: Encoder, model: Path, pixels: NDArray[np.uint8], texts: Sequence[str]) -> Figures:
    """The least cosine of its vectors to float32's on a processor."""
    exact = Encoder(RunnerSettings(_env_file=None, model_id=str(model), model_device="cpu", model_dtype="float32"))
    photos = (encoder.encode_pixels(pixels) * exact.encode_pixels(pixels)).sum(axis=1)
    words = (encoder.encode_texts(texts)["vector"] * exact.encode_texts(texts)["vector"]).sum(axis=1)
    return {"encoder photo cosine": float(photos.min()), "encoder text cosine": float(words.min())}


def photo_rates(encoder: Encoder, pixels: NDArray[np.uint8], seconds: float) -> Figures:
    """Photos a second by the number of them that is given at once, each from pixels to a vector in memory."""
    rates = {}
    for size in PHOTO_BATCHES:
        if encoder.device == "cpu" and size > _MOST_ON_CPU:
            break
        batch = np.resize(pixels, (size, *pixels.shape[1:]))
        rates[f"encoder photos/s, {size} at once"] = _rate(encoder.encode_pixels, [batch], seconds)
    return rates


def text_rates(encoder: Encoder, texts: Sequence[str], seconds: float) -> Figures:
    """Texts a second by the number of them that is given at once, tokens included."""
    many = list(texts) * (1 + 8 * max(TEXT_BATCHES) // len(texts))
    return {
        f"encoder texts/s, {size} at once": _rate(
            encoder.encode_texts, [many[at : at + size] for at in range(0, 8 * size, size)], seconds
        )
        for size in TEXT_BATCHES
    }


def _rate(encode: Callable[[Any], object], batches: Sequence[Any], seconds: float) -> float:
    """Items a second; the first calls, which allocate, are not counted."""
    return rate(encoding(encode, batches), seconds, warm_up=3)[0]
