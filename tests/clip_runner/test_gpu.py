"""What needs a GPU to be seen: recorded passes, their padding, and a batch that does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from clip_runner.backends.towers import PhotoTower
from clip_runner.encoder import Encoder
from clip_runner.probes import probe_pixels
from tests.clip_runner.narrow_model import TEXTS, cosine, small, vectors
from tests.clip_runner.test_encoder import settings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

__all__ = ["small"]  # a fixture: the narrow model


def on_gpu(model: Path, **changes: object) -> Encoder:
    return Encoder(settings(model, model_device="cuda", **changes))


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "mixed", "auto"])
def test_vectors_agree_with_a_processors(small: Path, dtype: str) -> None:
    encoder, exact = on_gpu(small, model_dtype=dtype), Encoder(settings(small))
    assert cosine(vectors(encoder), vectors(exact)) > (0.99999 if dtype == "float32" else 0.99)
    assert encoder.identity == exact.identity  # either may search what the other has loaded


def test_both_towers_are_recorded(small: Path) -> None:
    backend = on_gpu(small, max_image_batch=24, max_text_batch=16)._backend
    assert backend._photo_graphs.sizes == [1, 2, 4, 8, 16, 24]  # type: ignore[attr-defined]  # the torch backend's own
    assert backend._text_graphs.sizes == [1, 2, 4, 8, 16]  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize("dtype", ["float32", "mixed"])
def test_what_a_batch_is_padded_with_leaves_no_trace(small: Path, dtype: str) -> None:
    encoder = on_gpu(small, model_dtype=dtype)
    pixels = probe_pixels(encoder.pixel_spec, 12)
    texts = sorted(TEXTS, key=len)
    photos_alone = np.concatenate([encoder.encode_pixels(pixels[at : at + 1]) for at in range(12)])
    texts_alone = np.concatenate([encoder.encode_texts([text])["vector"] for text in texts])
    for count in (1, 3, 7, 12):
        encoder.encode_pixels(pixels[::-1])  # what the buffers hold from before
        encoder.encode_texts(texts[::-1])
        assert cosine(encoder.encode_pixels(pixels[:count]), photos_alone[:count]) > 0.999
        assert cosine(encoder.encode_texts(texts[:count])["vector"], texts_alone[:count]) > 0.999


def test_more_photos_than_one_pass_takes_keep_their_order(small: Path) -> None:
    encoder = on_gpu(small, max_image_batch=64)
    encoder._backend.photos_at_once = 8  # type: ignore[attr-defined]  # the torch backend's own
    pixels = np.random.default_rng(0).integers(0, 256, (61, 32, 32, 3), dtype=np.uint8)
    assert cosine(encoder.encode_pixels(pixels), Encoder(settings(small)).encode_pixels(pixels)) > 0.9999


def test_texts_longer_than_any_recorded_are_encoded_too(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clip_runner.encoder._RECORDED_LENGTHS", (8,))
    texts = ["red dress with buttons " * 12, *TEXTS]
    theirs = Encoder(settings(small)).encode_texts(texts)
    ours = on_gpu(small).encode_texts(texts)
    assert cosine(ours["vector"], theirs["vector"]) > 0.9999
    assert ours["truncated"].tolist() == theirs["truncated"].tolist()


def test_a_model_that_looks_at_its_values_is_not_recorded(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = PhotoTower.forward

    def looking(self: PhotoTower, pixels: torch.Tensor) -> torch.Tensor:
        assert pixels.float().mean().item() >= 0
        return plain(self, pixels)

    monkeypatch.setattr(PhotoTower, "forward", looking)
    encoder = on_gpu(small)
    assert encoder._backend._photo_graphs is None  # type: ignore[attr-defined]  # the torch backend's own
    assert cosine(vectors(encoder), vectors(Encoder(settings(small)))) > 0.9999


def test_a_batch_that_does_not_fit_into_the_gpus_memory_is_halved(small: Path) -> None:
    encoder = on_gpu(small, model_dtype="float32")
    encoder._backend._photo_graphs = None  # type: ignore[attr-defined]  # recorded passes have their memory already
    count = encoder._photos_that_fit.largest = 40_000  # half a gigabyte, three times over
    pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    room = torch.cuda.memory_reserved() + 300 * 2**20
    torch.cuda.set_per_process_memory_fraction(room / torch.cuda.get_device_properties(0).total_memory)
    try:
        made = encoder.encode_pixels(pixels)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert encoder._photos_that_fit.largest < count
    exact = Encoder(settings(small))
    for some in (slice(0, 16), slice(-16, None)):
        assert cosine(made[some], exact.encode_pixels(pixels[some])) > 0.9999


def test_passes_that_do_not_fit_are_not_recorded(small: Path) -> None:
    on_gpu(small)  # what torch takes once
    torch.cuda.empty_cache()
    room = torch.cuda.memory_reserved() + 200 * 2**20
    torch.cuda.set_per_process_memory_fraction(room / torch.cuda.get_device_properties(0).total_memory)
    try:
        encoder = on_gpu(small, model_dtype="float32", max_image_batch=32_768)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert encoder._backend._photo_graphs.sizes[-1] < 32_768  # type: ignore[attr-defined]  # the torch backend's own
    assert cosine(vectors(encoder), vectors(Encoder(settings(small)))) > 0.9999
