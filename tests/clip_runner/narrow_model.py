"""A model small enough for each test to make its own, and how its vectors are compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from clip_runner.encoder import Encoder
from clip_runner.probes import probe_pixels
from tests.clip_runner.test_encoder import save_beside_tokenizer

TEXTS = [" ".join(["red", "dress", "with", "buttons"][: 1 + number % 4] * (1 + number // 12)) for number in range(60)]


def narrow(folder: Path, *, context: int) -> Path:
    """A CLIP of two narrow layers: what is tested here does not depend on the size."""
    tiny = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    tokens = {"vocab_size": 8192, "max_position_embeddings": context, "eos_token_id": 8191, "bos_token_id": 8190}
    torch.manual_seed(0)
    vision = {**tiny, "image_size": 32, "patch_size": 8}
    config = CLIPConfig(text_config=tiny | tokens, vision_config=vision, projection_dim=32)
    return save_beside_tokenizer(CLIPModel(config), folder, size=32)


def narrow_siglip(folder: Path) -> Path:
    """A SigLIP of the same size: photos pooled by attention, texts always of full length."""
    tiny = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    config = SiglipConfig(
        text_config={**tiny, "vocab_size": 8192, "max_position_embeddings": 16, "projection_size": 64},
        vision_config={**tiny, "image_size": 32, "patch_size": 8},
    )
    return save_beside_tokenizer(SiglipModel(config), folder, size=32)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return narrow(tmp_path_factory.mktemp("models") / "small", context=32)


def vectors(encoder: Encoder) -> NDArray[np.float32]:
    photos = encoder.encode_pixels(probe_pixels(encoder.pixel_spec, 12))
    return np.concatenate([encoder.encode_texts(TEXTS)["vector"], photos])


def cosine(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    return float((ours * theirs).sum(axis=1).min())
