"""Packed layers give what torch's own give, up to bfloat16's rounding."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from transformers.activations import ACT2FN

from clip_runner.backends import packing
from clip_runner.backends.packing import PackedLinear, pack, packs, rounded_up
from clip_runner.backends.torch_backend import TorchBackend
from clip_runner.encoder import Encoder
from tests.clip_runner.narrow_model import cosine, narrow, narrow_siglip, vectors
from tests.clip_runner.test_encoder import settings

multiplies_in_bfloat16 = pytest.mark.skipif(not packs(), reason="this processor does not multiply in bfloat16")


def packed(encoder: Encoder) -> int:
    """How many layers are."""
    backend = encoder._backend
    assert isinstance(backend, TorchBackend)
    return sum(isinstance(layer, PackedLinear) for layer in backend._model.modules())


class Block(nn.Module):
    """A feed-forward block, as transformers writes it."""

    def __init__(self, activation: str, *, bias: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc1 = nn.Linear(64, 96, bias=bias)
        self.activation_fn = ACT2FN[activation]
        self.fc2 = nn.Linear(96, 64, bias=bias)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc2(self.activation_fn(self.fc1(values)))
        return out


@multiplies_in_bfloat16
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu", "gelu_pytorch_tanh", "relu"])
@pytest.mark.parametrize("shape", [(1, 64), (2, 7, 64)])
def test_a_block_computes_what_it_did(activation: str, bias: bool, shape: tuple[int, ...]) -> None:
    block = Block(activation, bias=bias)
    # Far from zero too: that is where activations differ from each other.
    values = 4 * torch.randn(shape, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = block(values)
        pack(block)
        got = block(values).float()
    assert isinstance(block.fc1, PackedLinear) and isinstance(block.fc2, PackedLinear)
    assert isinstance(block.activation_fn, nn.Identity) == (activation != "relu")
    assert torch.nn.functional.cosine_similarity(got, expected, dim=-1).min() > 0.9999
    assert (got - expected).abs().max() < 0.02 * expected.abs().max()


def test_products_come_in_few_numbers_of_rows() -> None:
    rows = {1: 1, 16: 16, 17: 32, 32: 32, 33: 48, 256: 256, 257: 272, 512: 512, 513: 544, 1024: 1024, 1025: 1088}
    assert {given: rounded_up(given) for given in rows} == rows
    assert len({rounded_up(given) for given in range(1, 4097)}) < 100


@multiplies_in_bfloat16
@pytest.mark.parametrize("any_rows", [True, False])
@pytest.mark.parametrize("shape", [(17, 64), (3, 19, 64), (5, 3, 20, 64)])
def test_rows_that_are_added_change_nothing(shape: tuple[int, ...], any_rows: bool) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(64, 96)
    values = torch.randn(shape)
    with torch.inference_mode():
        got = PackedLinear(layer, any_rows=any_rows)(values).float()
        expected = layer(values)
    assert got.shape == expected.shape
    assert torch.nn.functional.cosine_similarity(got, expected, dim=-1).min() > 0.9999


@multiplies_in_bfloat16
def test_of_photos_no_rows_are_added(tmp_path: Path) -> None:
    backend = Encoder(settings(narrow(tmp_path, context=32), model_dtype="bfloat16"))._backend
    assert isinstance(backend, TorchBackend)
    layers = {name: layer for name, layer in backend._model.named_modules() if isinstance(layer, PackedLinear)}
    assert {name: layer._any_rows for name, layer in layers.items()} == {
        name: name.startswith("vision_model.") for name in layers
    }
    assert {layer._any_rows for layer in layers.values()} == {True, False}


def test_a_layer_that_is_used_otherwise_stays() -> None:
    attention = nn.MultiheadAttention(32, 2)  # reads the weights of its own layer
    pack(attention)
    assert not any(isinstance(layer, PackedLinear) for layer in attention.modules())


@multiplies_in_bfloat16
@pytest.mark.parametrize("dtype", ["bfloat16", "mixed"])
def test_a_siglip_agrees_with_float32(tmp_path: Path, dtype: str) -> None:
    folder = narrow_siglip(tmp_path / "siglip")
    encoder = Encoder(settings(folder, model_dtype=dtype))
    assert packed(encoder)
    assert cosine(vectors(encoder), vectors(Encoder(settings(folder)))) > 0.99


def _refuses(*_: object) -> None:
    raise RuntimeError("could not create a primitive")


@pytest.mark.parametrize(
    "operators",
    [
        SimpleNamespace(),
        SimpleNamespace(_is_mkldnn_bf16_supported=lambda: True, _reorder_linear_weight=lambda weight: weight),
    ],
    ids=["missing", "refusing"],
)
def test_without_operators_that_work_layers_stay(
    operators: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = narrow(tmp_path, context=32)
    monkeypatch.setattr(torch.ops, "mkldnn", operators)
    if vars(operators):
        monkeypatch.setattr(packing, "_functions", lambda: SimpleNamespace(product=_refuses))
    assert not packs()
    assert not packed(Encoder(settings(folder, model_dtype="bfloat16")))
