from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import cosine_similarity, gelu, layer_norm, scaled_dot_product_attention
from transformers import CLIPVisionConfig, CLIPVisionModel

from clip_runner.mini import dinov2
from clip_runner.mini.dinov2 import BLOCKS, HEADS, PATCH, WIDTH, Weights
from tests.clip_runner.mini.pretrained import random_weights, write_onnx


@pytest.fixture(scope="module")
def weights() -> Weights:
    return random_weights()


def as_dinov2_computes(weights: Weights, pixels: torch.Tensor) -> torch.Tensor:
    """DINOv2's forward pass, written out: tokens after the last norm."""
    tokens = dinov2.tokens_before_blocks(weights, pixels)
    for block in range(BLOCKS):

        def layer(values: torch.Tensor, name: str, at: str = f"blocks.{block}.") -> torch.Tensor:
            return values @ weights[f"{at}{name}.weight"].T + weights[f"{at}{name}.bias"]

        def normed(values: torch.Tensor, name: str, at: str = f"blocks.{block}.") -> torch.Tensor:
            return layer_norm(values, (WIDTH,), weights[f"{at}{name}.weight"], weights[f"{at}{name}.bias"], 1e-6)

        qkv = layer(normed(tokens, "norm1"), "attn.qkv").view(len(tokens), -1, 3, HEADS, WIDTH // HEADS)
        mixed = scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4)).transpose(1, 2).reshape(tokens.shape)
        tokens = tokens + weights[f"blocks.{block}.ls1.gamma"] * layer(mixed, "attn.proj")
        inner = layer(gelu(layer(normed(tokens, "norm2"), "mlp.fc1")), "mlp.fc2")
        tokens = tokens + weights[f"blocks.{block}.ls2.gamma"] * inner
    return layer_norm(tokens, (WIDTH,), weights["norm.weight"], weights["norm.bias"], 1e-6)


def test_the_folded_tower_computes_what_dinov2_does(weights: Weights) -> None:
    size = 56
    # Smooth photos: tokens of real ones vary in few directions, and the fold relies on that.
    torch.manual_seed(1)
    coarse = torch.randn(8, 3, 5, 5)
    photos = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic")
    model = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=BLOCKS,
            num_attention_heads=HEADS,
            image_size=size,
            patch_size=PATCH,
            hidden_act="gelu",
            layer_norm_eps=1e-6,
        )
    ).eval()
    found = model.load_state_dict(dinov2.folded(weights, photos), strict=False)
    assert not found.unexpected_keys
    assert set(found.missing_keys) <= {"embeddings.position_ids"}
    with torch.inference_mode():
        ours = model(pixel_values=photos).pooler_output
        theirs = as_dinov2_computes(weights, photos)[:, 0]
    assert cosine_similarity(ours, theirs).min() > 0.97


def test_weights_are_read_from_the_exporters_graph(weights: Weights, tmp_path: Path) -> None:
    file = tmp_path / "dinov2.onnx"
    write_onnx(weights, file)
    read = dinov2.read_weights(file)
    assert read.keys() == weights.keys()
    assert all(torch.equal(read[name], weights[name]) for name in weights)
