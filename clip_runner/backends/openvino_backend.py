"""The model by OpenVINO, on a CPU; the optional extra `openvino`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from clip_runner.backends.interface import Tokens
from clip_runner.loading import LoadedModel, ModelUnavailable
from clip_runner.settings import RunnerSettings
from clip_runner.tokens import masks

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoBackend:
    """Both towers, compiled for this processor."""

    device = "cpu"
    dtype = ""
    text_step = 1
    side_by_side = False  # a compiled model has one place for what it is given

    def __init__(self, settings: RunnerSettings, loaded: LoadedModel) -> None:
        try:
            import openvino

            from clip_runner.backends.openvino_towers import towers
        except ImportError as error:
            raise ModelUnavailable(
                "MODEL_BACKEND=openvino: the package openvino is not installed; install it, or set MODEL_BACKEND=torch."
            ) from error
        self._core = openvino.Core()
        self._threads = settings.model_threads
        self._masked = masks(loaded.tokenizer)
        self._towers = towers(self._core, loaded, settings.model_cache_dir)
        self.use("float32")

    def use(self, dtype: str) -> None:
        """Compute in float32 or bfloat16; activations that must stay wide are OpenVINO's to choose."""
        if dtype == self.dtype:  # to compile takes seconds
            return
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[dtype],
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": 1,
        }
        self._photos, self._texts = (self._core.compile_model(tower, "CPU", options) for tower in self._towers)
        self.dtype = dtype

    def settle(self) -> None:
        """Stay with the type in use: what was compiled holds its own weights, the rest of the memory is given back."""
        self._towers = []

    def text_parts(self, items: int, tokens: int) -> int:  # noqa: ARG002 - whatever they are
        return 1  # OpenVINO shares a pass among its own threads

    def texts(self, parts: Sequence[Sequence[Tokens]]) -> NDArray[np.float32]:
        return np.concatenate([self._texts_of(tokens) for tokens in chain.from_iterable(parts)])

    def _texts_of(self, tokens: Tokens) -> NDArray[np.float32]:
        given = [tokens["input_ids"], tokens["attention_mask"]] if self._masked else [tokens["input_ids"]]
        return np.array(self._texts(given)[0], np.float32)

    def photos(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.array(self._photos([np.ascontiguousarray(pixels)])[0], np.float32)
