"""Types agree with float32 and with each other, whatever they are computed in, in parts or whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clip_runner.backends import threads, torch_backend
from clip_runner.backends.graphs import size_for, sizes_up_to
from clip_runner.backends.precision import fastest_that_agrees
from clip_runner.backends.threads import Plan, Threads
from clip_runner.backends.torch_backend import TorchBackend
from clip_runner.encoder import Encoder
from clip_runner.loading import LoadedModel, load_model
from clip_runner.probes import probe_pixels
from clip_runner.settings import BUNDLED_MODEL
from tests.clip_runner.narrow_model import TEXTS, cosine, small, vectors
from tests.clip_runner.test_encoder import settings

__all__ = ["small"]  # a fixture: the narrow model


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed"])
def test_a_faster_type_agrees_with_float32(small: Path, dtype: str) -> None:
    assert cosine(vectors(Encoder(settings(small, model_dtype=dtype))), vectors(Encoder(settings(small)))) > 0.99


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed"])
@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("settled", [True, False])
def test_weights_that_were_rounded_are_what_they_were_in_another_type(
    small: Path, dtype: str, packing: bool, settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not packing:
        monkeypatch.setattr(torch_backend, "packs", lambda: False)
    loaded = load_model(str(small))
    backend = TorchBackend(settings(small), loaded)
    pixels = probe_pixels(loaded.pixel_spec, 2)
    exact = backend.photos(pixels)
    backend.use(dtype)
    assert not np.array_equal(backend.photos(pixels), exact)
    tokens = {"input_ids": np.arange(8, dtype=np.int64).reshape(1, 8)}
    read = [0]

    def read_anew(model_id: str) -> LoadedModel:
        read[0] += 1
        return load_model(model_id)

    monkeypatch.setattr(torch_backend, "load_model", read_anew)
    if settled:
        backend.settle()
    other = {"bfloat16": "mixed", "mixed": "bfloat16"}[dtype]
    fresh = TorchBackend(settings(small), load_model(str(small)))
    for each in (backend, fresh):
        each.use(other)
    assert read == [1 if settled else 0]
    assert np.array_equal(backend.photos(pixels), fresh.photos(pixels))
    assert np.array_equal(backend.texts([[tokens]]), fresh.texts([[tokens]]))
    backend.use("float32")
    assert np.array_equal(backend.photos(pixels), exact)


def test_no_type_is_left_with_what_another_one_needs(small: Path) -> None:
    ours, fresh = (TorchBackend(settings(small), load_model(str(small))) for _ in range(2))
    for dtype in ("float16", "mixed", "bfloat16"):
        ours.use(dtype)
    fresh.use("bfloat16")
    pixels = probe_pixels(load_model(str(small)).pixel_spec, 2)
    assert np.array_equal(ours.photos(pixels), fresh.photos(pixels))


def test_rounding_once_is_what_autocast_does_at_each_pass(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_backend, "packs", lambda: False)
    loaded = load_model(str(small))
    backend = TorchBackend(settings(small), loaded)
    backend.use("mixed")
    tokens = {"input_ids": np.arange(8, dtype=np.int64).reshape(1, 8)}
    # The model as it was loaded is the backend's own by now: its large weights are rounded, and nothing else is.
    rounded = {name: value.dtype for name, value in loaded.model.named_parameters()}
    assert rounded["text_model.encoder.layers.0.mlp.fc1.weight"] == torch.bfloat16
    assert rounded["text_model.encoder.layers.0.layer_norm1.weight"] == torch.float32
    by_torch = load_model(str(small)).model
    pixels = probe_pixels(loaded.pixel_spec, 2)
    values = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() * loaded.rescale
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (loaded.mean, loaded.std))
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        texts = by_torch.get_text_features(input_ids=torch.from_numpy(tokens["input_ids"]))
        photos = by_torch.get_image_features(pixel_values=(values - mean) / std)
    assert np.array_equal(backend.texts([[tokens]]), texts.pooler_output.float().numpy())
    assert np.array_equal(backend.photos(pixels), photos.pooler_output.float().numpy())


@pytest.mark.parametrize("dtype", ["float32", "mixed", "bfloat16"])
def test_parts_give_what_the_whole_gives(small: Path, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder(settings(small, model_dtype=dtype, model_threads=3))
    whole = vectors(encoder)
    backend = encoder._backend
    assert isinstance(backend, TorchBackend)
    rows: list[tuple[int, int]] = []
    parts_made: list[int] = []
    plan, beside = Threads.plan, Threads.beside

    def planned(self: Threads, items: int, of_rows: int) -> Plan:
        rows.append((items, of_rows))
        return plan(self, items, of_rows)

    def made(self: Threads, parts: Sequence[Callable[[], NDArray[np.float32]]], of_rows: int) -> NDArray[np.float32]:
        parts_made.append(len(parts))
        return beside(self, parts, of_rows)

    monkeypatch.setattr(threads, "_ENOUGH_FOR_A_PART", 1)
    monkeypatch.setattr(Threads, "plan", planned)
    monkeypatch.setattr(Threads, "beside", made)
    assert cosine(vectors(encoder), whole) > 0.9999
    spec = encoder.pixel_spec
    assert rows[0] == (12, 12 * spec.height * spec.width // 8**2)  # photos, by patches
    assert parts_made == [3, 3]
    [(texts, tokens)] = rows[1:]
    assert texts == len(TEXTS)
    assert texts * 3 <= tokens <= texts * 32


@pytest.mark.parametrize(
    ("candidates", "tried"),
    [
        (["float16", "bfloat16", "mixed"], ["float32", "float16", "bfloat16"]),
        (["float16"], ["float32", "float16", "float32"]),
        ([], ["float32"]),
    ],
)
def test_the_first_type_that_agrees_is_taken_and_warm(candidates: list[str], tried: list[str]) -> None:
    used: list[str] = []
    probed: list[str] = []

    def probe() -> NDArray[np.float32]:
        probed.append(used[-1])
        angle = {"float32": 0.0, "float16": 0.2, "bfloat16": 0.01}[used[-1]]
        return np.array([[np.cos(angle), np.sin(angle)]], np.float32)

    assert fastest_that_agrees(candidates, used.append, probe) == tried[-1]
    assert used == probed == tried


def test_a_graphs_size_holds_the_batch() -> None:
    sizes = sizes_up_to(48)
    assert sizes == [1, 2, 4, 8, 16, 32, 48]
    assert [size_for(count, sizes) for count in (1, 3, 33, 48, 49)] == [1, 4, 48, 48, None]


def test_the_bundled_models_type_agrees_with_float32() -> None:
    chosen, exact = Encoder(settings(model_dtype="auto")), Encoder(settings())
    assert chosen.dtype in ("bfloat16", "mixed", "float32")
    assert cosine(vectors(chosen), vectors(exact)) >= 0.998
    assert chosen.identity.model == f"{BUNDLED_MODEL.name}@{exact.identity.model.partition('@')[2]}"
