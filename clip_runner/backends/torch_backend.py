"""The model by torch, on a CPU or a GPU."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clip_runner.backends.graphs import PhotoGraphs
from clip_runner.backends.interface import OutOfMemory, Tokens
from clip_runner.backends.threads import Threads
from clip_runner.hardware import choose_device
from clip_runner.loading import LoadedModel, load_model
from clip_runner.settings import RunnerSettings


class TorchBackend:
    """A transformers dual encoder. Attention is torch's fused one (SDPA), transformers' default."""

    def __init__(self, settings: RunnerSettings, loaded: LoadedModel) -> None:
        self._device = choose_device(settings.model_device)
        config = loaded.model.config
        self._text_threads = Threads(settings.model_threads, config.get_text_config())
        vision = getattr(config, "vision_config", None)
        self._photo_threads = Threads(settings.model_threads, vision)
        patch = getattr(vision, "patch_size", None)
        self._patch = patch if isinstance(patch, int) and patch else 1
        self._model_id = settings.model_id
        self._rounded = False
        self._mixed = False
        self._mean = torch.tensor(loaded.mean, device=self._device).view(1, 3, 1, 1)
        self._std = torch.tensor(loaded.std, device=self._device).view(1, 3, 1, 1)
        self._rescale = loaded.rescale
        self._model: Any = loaded.model.to(self._device)
        self.device = str(self._device)
        self.dtype = "float32"
        self._graphs: PhotoGraphs | None = None

    def use(self, dtype: str) -> None:
        """Compute in float32, bfloat16, float16, or `mixed`: sums and norms in float32, products in bfloat16."""
        self._graphs = None
        if dtype in ("float32", "mixed") and self._rounded:
            # Rounded weights cannot be widened again: read them anew rather than hold two copies.
            self._model = load_model(self._model_id).model.to(self._device)
            self._rounded = False
        self._mixed = dtype == "mixed"
        if dtype in ("bfloat16", "float16"):
            self._model.to(getattr(torch, dtype))
        elif self._mixed:
            # As autocast would round them, the same to the bit, but once instead of at each pass. Of convolutions there
            # is one, and some models compute all that follows in the type of its weights.
            for layer in self._model.modules():
                if isinstance(layer, torch.nn.Linear):
                    layer.to(torch.bfloat16)
        self._rounded = self._rounded or dtype != "float32"
        self.dtype = dtype

    def capture(self, largest: int) -> None:
        """On a GPU: record the vision tower for a few fixed batch sizes, so that a batch costs one launch."""
        if self._device.type == "cuda":
            self._graphs = PhotoGraphs(self._vision, self._device, largest)

    def texts(self, tokens: Tokens) -> NDArray[np.float32]:
        self._share(self._text_threads, tokens["input_ids"].size)
        with _memory(), torch.inference_mode(), self._precision():
            given = {name: self._moved(values) for name, values in tokens.items()}
            return _features(self._model.get_text_features(**given))

    def photos(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._share(self._photo_threads, pixels[..., 0].size // self._patch**2)
        with _memory(), torch.inference_mode(), self._precision():
            batch = torch.from_numpy(np.ascontiguousarray(pixels))
            if self._graphs is not None:
                return _features(self._graphs(batch))
            return _features(self._vision(self._moved(batch)))

    def _vision(self, pixels: torch.Tensor) -> Any:
        """Features of uint8 pixels that are on the device."""
        values = pixels.permute(0, 3, 1, 2).float() * self._rescale
        values = ((values - self._mean) / self._std).to(torch.float32 if self._mixed else self._model.dtype)
        return self._model.get_image_features(pixel_values=values)

    def _share(self, threads: Threads, rows: int) -> None:
        """Set the threads of the pass that follows, in the thread that computes it: each has a number of its own."""
        if self._device.type == "cpu":
            torch.set_num_threads(threads.for_rows(rows))

    def _moved(self, values: NDArray[Any] | torch.Tensor) -> torch.Tensor:
        tensor = torch.from_numpy(values) if isinstance(values, np.ndarray) else values
        if self._device.type != "cuda":
            return tensor
        # From pinned memory the copy goes on while the processor prepares what comes next.
        return tensor.pin_memory().to(self._device, non_blocking=True)

    def _precision(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._device.type, torch.bfloat16) if self._mixed else nullcontext()


class _memory(AbstractContextManager[None]):
    """Says `OutOfMemory` for the error that a GPU raises."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, torch.OutOfMemoryError):
            torch.cuda.empty_cache()
            raise OutOfMemory(str(error)) from error


def _features(output: Any) -> NDArray[np.float32]:
    """float32 features of what `get_*_features` returned (an object since transformers 5)."""
    features: NDArray[np.float32] = getattr(output, "pooler_output", output).float().cpu().numpy()
    return features
