"""CUDA graphs: the vision tower recorded for fixed batch sizes and replayed with one launch.

Without them a small batch waits for Python to launch some hundred kernels. Recording needs a GPU; which size serves a
batch, and that the padding leaves no trace, does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def sizes_up_to(largest: int) -> list[int]:
    """The batch sizes that are recorded: powers of two, and the largest."""
    sizes = [1]
    while sizes[-1] * 2 < largest:
        sizes.append(sizes[-1] * 2)
    return sizes if sizes[-1] == largest else [*sizes, largest]


def size_for(count: int, sizes: list[int]) -> int | None:
    """The smallest recorded size that holds so many photos; None where they are too many."""
    return next((size for size in sizes if size >= count), None)


class PhotoGraphs:
    """Recorded forward passes; each is made when its size first comes, over buffers of its own."""

    def __init__(self, forward: Callable[[torch.Tensor], Any], device: torch.device, largest: int) -> None:
        self._forward = forward
        self._device = device
        self._sizes = sizes_up_to(largest)
        self._recorded: dict[int, tuple[Any, torch.Tensor, torch.Tensor]] = {}

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features (n, dim) of uint8 pixels (n, height, width, 3) in the processor's memory."""
        size = size_for(len(pixels), self._sizes)
        if size is None:
            return _tensor(self._forward(pixels.to(self._device)))
        if size not in self._recorded:
            self._recorded[size] = self._record(size, pixels)
        graph, given, made = self._recorded[size]
        given[: len(pixels)].copy_(pixels.pin_memory(), non_blocking=True)
        graph.replay()
        return made[: len(pixels)]

    def _record(self, size: int, like: torch.Tensor) -> tuple[Any, torch.Tensor, torch.Tensor]:
        given = torch.zeros((size, *like.shape[1:]), dtype=like.dtype, device=self._device)
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # allocations and autotuning must be over before recording
            for _ in range(3):
                self._forward(given)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            made = _tensor(self._forward(given))
        return graph, given, made


def _tensor(output: Any) -> torch.Tensor:
    features: torch.Tensor = getattr(output, "pooler_output", output)
    return features
