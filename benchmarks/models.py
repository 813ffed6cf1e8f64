"""The models that are measured: the bundled one, and ViT-B/32's exact shape with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from clip_runner.settings import BUNDLED_MODEL

_KEPT = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt",
         "preprocessor_config.json", "processor_config.json")  # fmt: skip


def bundled() -> Path:
    """The model that the service comes with."""
    return BUNDLED_MODEL


def vit_b_32(folder: Path) -> Path:
    """CLIP ViT-B/32 with random weights, in `folder`: the arithmetic of openai/clip-vit-base-patch32, no meaning.

    Its tokenizer is the bundled model's: a description comes to about as many tokens.
    """
    if (folder / "model.safetensors").exists():
        return folder
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    # CLIPConfig's defaults are that model's configuration.
    CLIPModel(CLIPConfig()).save_pretrained(folder)
    size = json.loads((BUNDLED_MODEL / "config.json").read_text())["vision_config"]["image_size"]
    for name in _KEPT:
        if (source := BUNDLED_MODEL / name).exists():
            shutil.copy(source, folder / name)
            if name.endswith("processor_config.json"):
                (folder / name).write_text(source.read_text().replace(str(size), "224"))
    return folder
