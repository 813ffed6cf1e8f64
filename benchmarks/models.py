"""The models that are measured: the bundled one, ViT-B/32's exact shape, and one with hardly any arithmetic."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from clip_runner.settings import BUNDLED_MODEL

_KEPT = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt",
         "preprocessor_config.json", "processor_config.json")  # fmt: skip


NAMES = ("bundled", "b32", "thin")

_CACHE = Path(__file__).resolve().parent.parent / ".local" / "bench"


def folder_of(name: str) -> Path:
    """The folder of one of `NAMES`: the model that the service comes with, or one with random weights.

    Those are made at their first use: `b32` has ViT-B/32's shape, `thin` its photos and vectors with next to no
    arithmetic between: what a service costs beside its model.
    """
    if name == "bundled":
        return BUNDLED_MODEL
    if name == "b32":
        return _made(_CACHE / "vit-b-32", {})
    if name == "thin":
        return _made(_CACHE / "thin", {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1,
                                       "num_attention_heads": 1})  # fmt: skip
    raise SystemExit(f"{name}: the models are {', '.join(NAMES)}")


def _made(folder: Path, towers: dict[str, int]) -> Path:
    """CLIP with random weights in `folder`: ViT-B/32's configuration but for these settings of both towers.

    Its tokenizer is the bundled model's: a description comes to about as many tokens.
    """
    if not folder.exists():
        # Beside it first: a folder that was cut short is never taken for the model.
        unfinished = folder.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        _make(unfinished, towers)
        unfinished.rename(folder)
    return folder


def _make(folder: Path, towers: dict[str, int]) -> None:
    import torch
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    bundled = json.loads((BUNDLED_MODEL / "config.json").read_text())
    # CLIPConfig's defaults are that model's configuration. A text's vector is taken where its last token stands, so
    # the tokens must be the tokenizer's: with others it would be the first one's, the same for all texts.
    tokens = {name: bundled["text_config"][name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    CLIPModel(CLIPConfig(text_config=tokens | towers, vision_config=towers)).save_pretrained(folder)
    size = bundled["vision_config"]["image_size"]
    for name in _KEPT:
        if (source := BUNDLED_MODEL / name).exists():
            shutil.copy(source, folder / name)
            if name.endswith("processor_config.json"):
                (folder / name).write_text(source.read_text().replace(str(size), "224"))
