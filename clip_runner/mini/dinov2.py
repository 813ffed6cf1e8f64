"""DINOv2 ViT-S/14 (Oquab et al. 2023, Apache-2.0) as a CLIPVisionModel of another photo size, from an ONNX file.

What the two differ in is folded into weights: the patch convolution's bias into the position embeddings, layer scale
into the output projections. CLIP's additional LayerNorm before the first block is made nearly the identity: a constant
many times as large as the tokens, along the direction in which tokens vary least, is added with the position
embeddings and taken out again by that norm's bias. (A token's mean needs no care: every later norm removes it.)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import conv2d, interpolate

WIDTH, BLOCKS, HEADS, PATCH, GRID = 384, 12, 6, 14, 37

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""What DINOv2 was trained with; written into the model's preprocessor, so that nothing needs to be folded for it."""

OFFSET = 16.0
"""The constant's size in units of the tokens' spread: fp16 still keeps the tokens to a hundredth of that spread."""

Weights = dict[str, torch.Tensor]


def read_weights(onnx_file: Path) -> Weights:
    """DINOv2's weights by their names in Meta's checkpoint, float32. Needs the package `onnx`."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(onnx_file)).graph
    values = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    weights = {name.removeprefix("model."): value for name, value in values.items() if name.startswith("model.")}
    # The exporter transposed the matrices and gave them numbers: four a block, in the order of use.
    numbered = sorted((int(name.rpartition("_")[2]), name) for name in values if name.startswith("onnx::MatMul"))
    if len(numbered) != 4 * BLOCKS:
        raise ValueError(f"{onnx_file} is no DINOv2 ViT-S/14: {len(numbered)} matrices instead of {4 * BLOCKS}")
    for place, (_, name) in enumerate(numbered):
        part = ("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2")[place % 4]
        weights[f"blocks.{place // 4}.{part}.weight"] = values[name].T.contiguous()
    (positions,) = (value for name, value in values.items() if value.shape == (1, GRID * GRID, WIDTH))
    weights["patch_positions"] = positions[0]
    # The first position is the class token's; the exporter kept it under the name of its first use.
    (first,) = (_constant(graph, node.input[0], values) for node in graph.node if node.name == "/Concat_4")
    weights["class_position"] = first.reshape(WIDTH)
    return weights


def _constant(graph: Any, name: str, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """An initializer, also where it is an Identity of another."""
    if name in values:
        return values[name]
    sources = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"}
    return values[sources[name]]


def positions_at(weights: Weights, side: int) -> torch.Tensor:
    """Patch positions for side x side patches, (side * side, 384); bicubic, scaled as DINOv2's own code does."""
    grid = weights["patch_positions"].T.reshape(1, WIDTH, GRID, GRID)
    scale = (side + 0.1) / GRID
    made = interpolate(grid, scale_factor=(scale, scale), mode="bicubic", recompute_scale_factor=False)
    return made[0].reshape(WIDTH, -1).T


def tokens_before_blocks(weights: Weights, pixels: torch.Tensor) -> torch.Tensor:
    """What DINOv2's first block is given: (n, 1 + patches, 384), for normalised photos (n, 3, size, size)."""
    patches = conv2d(pixels, weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"], stride=PATCH)
    tokens = patches.flatten(2).transpose(1, 2) + positions_at(weights, pixels.shape[-1] // PATCH)
    first = weights["cls_token"].reshape(1, 1, WIDTH) + weights["class_position"]
    return torch.cat([first.expand(len(tokens), -1, -1), tokens], dim=1)


def folded(weights: Weights, photos: torch.Tensor) -> dict[str, torch.Tensor]:
    """The state of a CLIPVisionModel's `vision_model` for photos of one size.

    Args:
        weights: of `read_weights`.
        photos: some normalised photos, float32 (n, 3, size, size), from which the least-varying direction is found.
    """
    side = photos.shape[-1] // PATCH
    tokens = tokens_before_blocks(weights, photos)
    tokens = tokens - tokens.mean(dim=-1, keepdim=True)
    direction, level = _quiet_direction(tokens)
    # LayerNorm divides by the standard deviation over the width: a vector of this norm has that deviation.
    size = OFFSET * float(tokens.square().mean().sqrt())
    constant = direction * size * WIDTH**0.5
    positions = torch.cat([weights["class_position"][None], positions_at(weights, side)])
    positions[1:] += weights["patch_embed.proj.bias"]
    state = {
        "embeddings.class_embedding": weights["cls_token"].reshape(WIDTH),
        "embeddings.patch_embedding.weight": weights["patch_embed.proj.weight"],
        "embeddings.position_embedding.weight": positions + constant - level * direction,
        "pre_layrnorm.weight": torch.full((WIDTH,), size),
        "pre_layrnorm.bias": level * direction - constant,
        "post_layernorm.weight": weights["norm.weight"],
        "post_layernorm.bias": weights["norm.bias"],
    }
    for number in range(BLOCKS):
        state |= _block(weights, f"blocks.{number}.", f"encoder.layers.{number}.")
    return state


def _quiet_direction(tokens: torch.Tensor) -> tuple[torch.Tensor, float]:
    """A unit vector orthogonal to (1, 1, ...) along which tokens vary least, and their mean along it."""
    flat = tokens.reshape(-1, WIDTH).double()
    # The class token is one of many tokens, but every later block looks at it.
    centred = torch.cat([flat, tokens[:, 0].double().repeat(8, 1)])
    mean = centred.mean(dim=0)
    covariance: NDArray[np.float64] = ((centred - mean).T @ (centred - mean) / len(centred)).numpy()
    ones = np.ones(WIDTH) / WIDTH**0.5
    covariance = covariance + np.outer(ones, ones) * np.trace(covariance)
    vector = torch.from_numpy(np.linalg.eigh(covariance)[1][:, 0].copy())
    return vector.float(), float(mean @ vector)


def _block(weights: Weights, source: str, target: str) -> dict[str, torch.Tensor]:
    state = {}
    for kind in ("weight", "bias"):
        for part, value in zip("qkv", weights[f"{source}attn.qkv.{kind}"].chunk(3), strict=True):
            state[f"{target}self_attn.{part}_proj.{kind}"] = value
        attention, out = weights[f"{source}attn.proj.{kind}"], weights[f"{source}mlp.fc2.{kind}"]
        scale_1, scale_2 = weights[f"{source}ls1.gamma"], weights[f"{source}ls2.gamma"]
        matrix = kind == "weight"
        state[f"{target}self_attn.out_proj.{kind}"] = attention * (scale_1[:, None] if matrix else scale_1)
        state[f"{target}mlp.fc2.{kind}"] = out * (scale_2[:, None] if matrix else scale_2)
        state[f"{target}mlp.fc1.{kind}"] = weights[f"{source}mlp.fc1.{kind}"]
        state[f"{target}layer_norm1.{kind}"] = weights[f"{source}norm1.{kind}"]
        state[f"{target}layer_norm2.{kind}"] = weights[f"{source}norm2.{kind}"]
    return state
