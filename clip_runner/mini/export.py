"""A trained model as a folder that the service loads."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch

from clip_runner.mini import tower
from clip_runner.mini.dinov2 import MEAN, STD


def export(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write configuration, fp16 weights, tokenizer and preprocessor."""
    folder.mkdir(parents=True, exist_ok=True)
    copy.deepcopy(model).to("cpu", torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    preprocessor = {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": tower.SIZE},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": tower.SIZE, "width": tower.SIZE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": MEAN,
        "image_std": STD,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=1) + "\n", "utf-8")
