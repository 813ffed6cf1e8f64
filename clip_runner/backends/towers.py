"""A model's two towers, each as one module: from what a backend is given to features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class PhotoTower(nn.Module):
    """Features (n, dim) of uint8 pixels (n, height, width, 3)."""

    def __init__(
        self,
        model: Any,
        *,
        rescale: float,
        mean: Sequence[float],
        std: Sequence[float],
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """`rescale`, `mean` and `std` are the processor's; `dtype` is what the model takes."""
        super().__init__()
        self._model = model
        self._dtype = dtype
        self._rescale = rescale
        self._mean, self._std = (torch.tensor(each, device=model.device).view(1, 3, 1, 1) for each in (mean, std))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        values = pixels.permute(0, 3, 1, 2).float()  # memory of its own, in which the rest is done
        values.mul_(self._rescale).sub_(self._mean).div_(self._std)
        return _tensor(self._model.get_image_features(pixel_values=values.to(self._dtype)))


class TextTower(nn.Module):
    """Features (n, dim) of token ids (n, length)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        return _tensor(self._model.get_text_features(input_ids=input_ids, attention_mask=attention_mask))


def _tensor(output: Any) -> torch.Tensor:
    """What `get_*_features` returned is an object since transformers 5."""
    features: torch.Tensor = getattr(output, "pooler_output", output)
    return features
