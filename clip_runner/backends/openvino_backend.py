"""The model by OpenVINO, on a CPU; the optional extra `openvino`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clip_runner.backends.interface import Tokens
from clip_runner.loading import LoadedModel, ModelUnavailable
from clip_runner.settings import RunnerSettings

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoBackend:
    """Both towers, traced from torch and compiled for this processor."""

    device = "cpu"

    def __init__(self, settings: RunnerSettings, loaded: LoadedModel) -> None:
        try:
            import openvino
        except ImportError as error:
            raise ModelUnavailable(
                "MODEL_BACKEND=openvino: the package openvino is not installed; install it, or set MODEL_BACKEND=torch."
            ) from error
        self._core = openvino.Core()
        self._threads = settings.model_threads
        with torch.no_grad():
            spec, length = loaded.pixel_spec, min(8, loaded.context_tokens)
            pixels = torch.zeros((2, spec.height, spec.width, 3), dtype=torch.uint8)
            self._photos_model = openvino.convert_model(_Vision(loaded).eval(), example_input=pixels)
            ids = torch.ones((2, length), dtype=torch.int64)
            self._masked = "attention_mask" in loaded.tokenizer.model_input_names
            example = (ids, torch.ones_like(ids)) if self._masked else (ids,)
            self._texts_model = openvino.convert_model(_Text(loaded).eval(), example_input=example)
        self.use("float32")

    def use(self, dtype: str) -> None:
        """Compute in float32 or bfloat16; activations that must stay wide are OpenVINO's to choose."""
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[dtype],
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": 1,
        }
        self._photos = self._core.compile_model(self._photos_model, "CPU", options)
        self._texts = self._core.compile_model(self._texts_model, "CPU", options)
        self.dtype = dtype

    def texts(self, tokens: Tokens) -> NDArray[np.float32]:
        given = [tokens["input_ids"], tokens["attention_mask"]] if self._masked else [tokens["input_ids"]]
        return np.array(self._texts(given)[0], np.float32)

    def photos(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.array(self._photos([np.ascontiguousarray(pixels)])[0], np.float32)


class _Vision(torch.nn.Module):
    def __init__(self, loaded: LoadedModel) -> None:
        super().__init__()
        self._model = loaded.model
        self._rescale = loaded.rescale
        self._mean = torch.tensor(loaded.mean).view(1, 3, 1, 1)
        self._std = torch.tensor(loaded.std).view(1, 3, 1, 1)

    def forward(self, pixels: torch.Tensor) -> Any:
        values = (pixels.permute(0, 3, 1, 2).float() * self._rescale - self._mean) / self._std
        return self._model.get_image_features(pixel_values=values).pooler_output


class _Text(torch.nn.Module):
    def __init__(self, loaded: LoadedModel) -> None:
        super().__init__()
        self._model = loaded.model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> Any:
        return self._model.get_text_features(input_ids=input_ids, attention_mask=attention_mask).pooler_output
