"""The model that is trained: its configuration, and its beginning from pretrained parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize, scaled_dot_product_attention

from clip_runner.mini import dinov2
from clip_runner.mini.words import BOS, EOS, PAD

SIZE = 112
"""Photos' side in pixels: 65 tokens, which costs about a third of what ViT-B/32 does at 224."""

SCALE = 30.0
"""What cosines are multiplied by at first. CLIP's own 14 lets a short training stop at telling kinds apart: it learns
its scale slowly, and colours and titles need a larger one."""

MAX_SCALE = 100.0

TEXT_GROUPS = 3
"""Texts are run in so many groups of like length: padding all to the longest would double the work."""

DIM, TEXT_WIDTH, TEXT_LAYERS, CONTEXT = 256, 256, 4, 32


def new_model(vocabulary: int, seed: int) -> Any:
    """A CLIPModel of this size, its values not yet trained."""
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(seed)
    return CLIPModel(
        CLIPConfig(
            projection_dim=DIM,
            logit_scale_init_value=math.log(SCALE),
            text_config={
                "vocab_size": vocabulary,
                "hidden_size": TEXT_WIDTH,
                "intermediate_size": 4 * TEXT_WIDTH,
                "num_hidden_layers": TEXT_LAYERS,
                "num_attention_heads": 4,
                "max_position_embeddings": CONTEXT,
                "projection_dim": DIM,
                "pad_token_id": PAD,
                "bos_token_id": BOS,
                "eos_token_id": EOS,
            },
            vision_config={
                "hidden_size": dinov2.WIDTH,
                "intermediate_size": 4 * dinov2.WIDTH,
                "num_hidden_layers": dinov2.BLOCKS,
                "num_attention_heads": dinov2.HEADS,
                "image_size": SIZE,
                "patch_size": dinov2.PATCH,
                "hidden_act": "gelu",
                "layer_norm_eps": 1e-6,
                "projection_dim": DIM,
            },
        )
    )


def tokens_after(
    model: Any, pixel_values: torch.Tensor, depth: int, share: float = 1.0, draw: torch.Generator | None = None
) -> torch.Tensor:
    """Photos' tokens after the first `depth` blocks, (n, tokens, width), for normalised photos (n, 3, size, size).

    With a `share` below 1 so many of each photo's patches, drawn at random, are looked at (after Li et al. 2023,
    "Scaling Language-Image Pre-training via Masking").

    All before the blocks is computed in float32 whatever is asked for: the constant that takes CLIP's first
    LayerNorm out of action leaves too few bits to the tokens otherwise.
    """
    vision = model.vision_model
    with torch.autocast(pixel_values.device.type, enabled=False):
        hidden = vision.pre_layrnorm(vision.embeddings(pixel_values))
    if share < 1:
        hidden = _some_of(hidden, share, draw)
    for block in vision.encoder.layers[:depth]:
        hidden = block(hidden, attention_mask=None)
    return torch.as_tensor(hidden)


def _some_of(tokens: torch.Tensor, share: float, draw: torch.Generator | None) -> torch.Tensor:
    """The first token and a share of the others, another choice for each photo."""
    count, patches, width = len(tokens), tokens.shape[1] - 1, tokens.shape[2]
    order = torch.rand((count, patches), generator=draw).argsort(dim=1)[:, : round(share * patches)]
    chosen = torch.cat([torch.zeros(count, 1, dtype=torch.int64), 1 + order], dim=1).to(tokens.device)
    return tokens.gather(1, chosen[:, :, None].expand(-1, -1, width))


def pooled(model: Any, tokens: torch.Tensor, depth: int) -> torch.Tensor:
    """The vision tower's outcome (n, width), from photos' tokens after the first `depth` blocks."""
    vision = model.vision_model
    hidden = tokens
    for block in vision.encoder.layers[depth:-1]:
        hidden = block(hidden, attention_mask=None)
    return torch.as_tensor(vision.post_layernorm(_first_token(vision.encoder.layers[-1], hidden)))


def _first_token(block: Any, hidden: torch.Tensor) -> torch.Tensor:
    """What a block makes of the first token, (n, width): all that is used of the last block, at a fifth of its cost."""
    attention = block.self_attn
    normed = block.layer_norm1(hidden)
    count, _, width = hidden.shape

    def heads(values: torch.Tensor) -> torch.Tensor:
        return values.view(count, -1, attention.num_heads, attention.head_dim).transpose(1, 2)

    mixed = scaled_dot_product_attention(
        heads(attention.q_proj(normed[:, :1])), heads(attention.k_proj(normed)), heads(attention.v_proj(normed))
    )
    first = hidden[:, 0] + attention.out_proj(mixed.transpose(1, 2).reshape(count, width))
    return torch.as_tensor(first + block.mlp(block.layer_norm2(first)))


def projected(model: Any, outcome: torch.Tensor) -> torch.Tensor:
    """Unit vectors (n, DIM) of photos, from the vision tower's outcome."""
    return normalize(model.visual_projection(outcome).float(), dim=-1)


def text_vectors(model: Any, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
    """Unit vectors (n, DIM) of texts."""
    features = model.get_text_features(**tokens).pooler_output
    return normalize(features.float(), dim=-1)


def encode(model: Any, tokenizer: Any, texts: Sequence[str]) -> torch.Tensor:
    """Unit vectors (n, DIM) of texts, in their order."""
    device = next(model.parameters()).device
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    groups = [part.tolist() for part in np.array_split(np.array(order), TEXT_GROUPS)]
    made = []
    for group in filter(None, groups):
        tokens = tokenizer(
            [texts[number] for number in group],
            padding=True,
            truncation=True,
            max_length=CONTEXT,
            return_tensors="pt",
        ).to(device)
        made.append(text_vectors(model, tokens))
    back = np.argsort([number for group in groups for number in group])
    return torch.cat(made)[torch.from_numpy(back).to(device)]


def keep_scale(model: Any) -> None:
    """Hold what cosines are multiplied by within its bound."""
    with torch.no_grad():
        model.logit_scale.clamp_(max=math.log(MAX_SCALE))
