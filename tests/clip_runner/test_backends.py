"""Backends agree with float32, batches that do not fit are halved, and short texts do not pay for long ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from transformers import CLIPConfig, CLIPModel

from clip_runner.backends import threads, torch_backend
from clip_runner.backends.graphs import size_for, sizes_up_to
from clip_runner.backends.halving import Halving, best_size
from clip_runner.backends.interface import OutOfMemory, Tokens
from clip_runner.backends.precision import fastest_that_agrees
from clip_runner.backends.threads import Plan, Threads
from clip_runner.backends.torch_backend import TorchBackend
from clip_runner.encoder import Encoder
from clip_runner.loading import LoadedModel, load_model
from clip_runner.probes import probe_pixels
from clip_runner.settings import BUNDLED_MODEL, RunnerSettings
from clip_runner.tokens import groups, shares
from tests.clip_runner.test_encoder import save_beside_tokenizer, settings

TEXTS = [" ".join(["red", "dress", "with", "buttons"][: 1 + number % 4] * (1 + number // 12)) for number in range(60)]


def narrow(folder: Path, *, context: int) -> Path:
    """A CLIP of two narrow layers: what is tested here does not depend on the size."""
    tiny = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    tokens = {"vocab_size": 8192, "max_position_embeddings": context, "eos_token_id": 8191, "bos_token_id": 8190}
    torch.manual_seed(0)
    vision = {**tiny, "image_size": 32, "patch_size": 8}
    config = CLIPConfig(text_config=tiny | tokens, vision_config=vision, projection_dim=32)
    return save_beside_tokenizer(CLIPModel(config), folder, size=32)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return narrow(tmp_path_factory.mktemp("models") / "small", context=32)


def vectors(encoder: Encoder) -> NDArray[np.float32]:
    photos = encoder.encode_pixels(probe_pixels(encoder.pixel_spec, 12))
    return np.concatenate([encoder.encode_texts(TEXTS)["vector"], photos])


def cosine(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    return float((ours * theirs).sum(axis=1).min())


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed"])
def test_a_faster_type_agrees_with_float32(small: Path, dtype: str) -> None:
    assert cosine(vectors(Encoder(settings(small, model_dtype=dtype))), vectors(Encoder(settings(small)))) > 0.99


def test_openvino_agrees_with_torch(small: Path) -> None:
    pytest.importorskip("openvino", reason="the optional backend is not installed")
    by_openvino = Encoder(settings(small, model_backend="openvino", model_cache_dir=None))
    assert cosine(vectors(by_openvino), vectors(Encoder(settings(small)))) > 0.9999
    assert by_openvino.identity == Encoder(settings(small)).identity  # either may search what the other has loaded


def test_openvinos_form_of_a_model_is_made_once(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = pytest.importorskip("openvino", reason="the optional backend is not installed")
    kept_in = tmp_path / "cache"
    first = vectors(Encoder(settings(small, model_backend="openvino", model_cache_dir=kept_in)))
    [folder] = kept_in.iterdir()
    with monkeypatch.context() as patched:
        patched.delattr(openvino, "convert_model")  # what traces a model
        again = vectors(Encoder(settings(small, model_backend="openvino", model_cache_dir=kept_in)))
    assert cosine(again, first) > 0.99999
    (folder / "texts.xml").write_text("cut short")
    assert cosine(vectors(Encoder(settings(small, model_backend="openvino", model_cache_dir=kept_in))), first) > 0.99999
    assert "<net" in (folder / "texts.xml").read_text()


@pytest.mark.parametrize("given", ["", "/proc/no-such-folder"])
def test_openvino_goes_on_where_it_can_keep_nothing(small: Path, given: str) -> None:
    pytest.importorskip("openvino", reason="the optional backend is not installed")
    encoder = Encoder(settings(small, model_backend="openvino", model_cache_dir=given))
    assert cosine(vectors(encoder), vectors(Encoder(settings(small)))) > 0.9999


def test_a_user_without_a_home_keeps_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("MODEL_CACHE_DIR", raising=False)
    assert RunnerSettings(_env_file=None).model_cache_dir is None


def test_the_cache_may_be_named_from_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_CACHE_DIR", "~/models")
    assert RunnerSettings(_env_file=None).model_cache_dir == Path.home() / "models"


def test_a_backend_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValidationError, match="MODEL_DTYPE"):
        RunnerSettings(_env_file=None, model_backend="openvino", model_dtype="float16")
    with pytest.raises(ValidationError, match="MODEL_DEVICE"):
        RunnerSettings(_env_file=None, model_backend="openvino", model_device="cuda")


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


def test_a_graphs_size_holds_the_batch() -> None:
    sizes = sizes_up_to(48)
    assert sizes == [1, 2, 4, 8, 16, 32, 48]
    assert [size_for(count, sizes) for count in (1, 3, 33, 48, 49)] == [1, 4, 48, 48, None]


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


def test_the_bundled_models_type_agrees_with_float32() -> None:
    chosen, exact = Encoder(settings(model_dtype="auto")), Encoder(settings())
    assert chosen.dtype in ("bfloat16", "mixed", "float32")
    assert cosine(vectors(chosen), vectors(exact)) >= 0.998
    assert chosen.identity.model == f"{BUNDLED_MODEL.name}@{exact.identity.model.partition('@')[2]}"
