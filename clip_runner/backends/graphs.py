"""CUDA graphs: a tower's pass recorded for fixed shapes, and replayed with one launch.

Without them a small batch waits for Python to launch some hundred kernels. Recording and replaying need a GPU; which
shape serves a batch does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clip_runner.backends.precision import MIN_COSINE

Batch = Mapping[str, NDArray[Any]]
"""A tower's inputs by name, in the processor's memory; each has an item in each row."""

Tensors = dict[str, torch.Tensor]
"""The same on the device."""

Shapes = tuple[tuple[str, tuple[int, ...]], ...]

_SLOTS = 2  # one that is computed, and one that is filled meanwhile
_WARM_UP = 3  # passes before recording: allocations and the choice of kernels must be over

_failed: list[Any] = []  # kept alive: torch's allocator may still call into a recording that failed


def sizes_up_to(largest: int) -> list[int]:
    """The batch sizes that are recorded: powers of two, and the largest."""
    sizes = [1]
    while sizes[-1] * 2 < largest:
        sizes.append(sizes[-1] * 2)
    return sizes if sizes[-1] == largest else [*sizes, largest]


def size_for(count: int, sizes: list[int]) -> int | None:
    """The smallest recorded size that holds so many items; None where they are too many."""
    return next((size for size in sizes if size >= count), None)


class Graphs:
    """Recorded passes of one tower, over buffers that they share. One thread at a time."""

    def __init__(self, forward: Callable[[Tensors], torch.Tensor], device: torch.device, like: Sequence[Batch]) -> None:
        """Record a pass for the shapes of each example.

        Args:
            forward: features (n, dim) of a batch on the device.
            device: the GPU.
            like: batches with valid values; what a later one leaves free of its shape holds those of an earlier one.

        Raises:
            torch.OutOfMemoryError: they do not fit.
            RuntimeError: the model does what cannot be recorded, such as looking at its values, or a recorded pass does
                not come to what a plain one does.
        """
        self._forward = forward
        self._pool = torch.cuda.graph_pool_handle()
        self._device = device
        self._copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        # One for all: each stream that multiplies matrices has memory of its own for that, and keeps it.
        self._recording = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]  # as above
        room = {name: max(batch[name].size for batch in like) for name in like[0]}
        self._given = {
            name: torch.empty(room[name], dtype=_dtype(values), device=device) for name, values in like[0].items()
        }
        # The largest first: the smaller ones find room in what it used.
        ordered = sorted(like, key=lambda batch: -sum(values.size for values in batch.values()))
        self._recorded = {_shapes(batch): self._record(batch) for batch in ordered}
        self.sizes = sorted({shape[0] for shapes in self._recorded for _, shape in shapes})
        """Batch sizes, in rising order."""
        rows, dim = self.sizes[-1], next(iter(self._recorded.values()))[1].shape[1]
        self._slots = [_Slot(self._given, rows, dim) for _ in range(_SLOTS)]
        for batch in ordered:
            self._compare({name: values[::-1] for name, values in batch.items()})

    def shapes_for(self, batch: Batch) -> Shapes | None:
        """The recorded shapes that serve a batch: as they are, with room for its rows; None where there are none."""
        rows = size_for(len(next(iter(batch.values()))), self.sizes)
        if rows is None:
            return None
        shapes = tuple((name, (rows, *values.shape[1:])) for name, values in batch.items())
        return shapes if shapes in self._recorded else None

    def features(self, batches: Iterable[tuple[Shapes, Batch]]) -> NDArray[np.float32]:
        """Features (n, dim) of batches, one after another; while one is computed, the next is copied."""
        made: list[NDArray[np.float32]] = []
        sent: list[_Slot] = []
        for number, (shapes, batch) in enumerate(batches):
            slot = self._slots[number % _SLOTS]
            if len(sent) == _SLOTS:
                made.append(sent.pop(0).take())
            self._send(slot, shapes, batch)
            sent.append(slot)
        made += [slot.take() for slot in sent]
        return np.concatenate(made)

    def _send(self, slot: _Slot, shapes: Shapes, batch: Batch) -> None:
        computing = torch.cuda.current_stream()
        slot.copy_in(batch, self._copying)
        computing.wait_event(slot.arrived)
        for name, values in batch.items():
            self._given[name][: values.size].copy_(slot.there[name][: values.size])
        graph, made = self._recorded[shapes]
        graph.replay()
        slot.copy_out(made, len(next(iter(batch.values()))), computing)

    def _record(self, batch: Batch) -> tuple[Any, torch.Tensor]:
        given: Tensors = {}
        for name, values in batch.items():
            flat = self._given[name][: values.size]
            flat.copy_(torch.from_numpy(np.ascontiguousarray(values)).view(-1))
            given[name] = flat.view(values.shape)
        before = torch.cuda.current_stream()
        self._recording.wait_stream(before)
        with torch.cuda.stream(self._recording):
            for _ in range(_WARM_UP):
                self._forward(given)
        before.wait_stream(self._recording)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._recording):
                made = self._forward(given)
        except torch.OutOfMemoryError:  # torch ends such a recording in good order
            raise
        except RuntimeError:
            self._clear_up(graph, before)
            raise
        return graph, made

    def _clear_up(self, graph: Any, before: torch.cuda.Stream) -> None:
        """After a recording that failed: torch (2.13) stays in its stream, and keeps a hold on the allocator."""
        _failed.append(graph)
        torch.cuda.set_stream(before)
        with suppress(Exception):
            torch._C._cuda_endAllocateToPool(torch.cuda.current_device(), self._pool)

    def _compare(self, batch: Batch) -> None:
        """A replay with a plain pass, over other values than those that were recorded."""
        made = self.features([(_shapes(batch), batch)])
        moved = {
            name: torch.from_numpy(np.ascontiguousarray(values)).to(self._device) for name, values in batch.items()
        }
        plain = self._forward(moved).float().cpu().numpy()
        lengths = np.linalg.norm(made, axis=1) * np.linalg.norm(plain, axis=1)
        cosine = float(((made * plain).sum(axis=1) / lengths).min())
        if not cosine >= MIN_COSINE:
            raise RuntimeError(f"recorded for {_shapes(batch)}, its cosine to a plain pass is {cosine:.4f}")


class _Slot:
    """What one batch passes through: pinned memory, and a copy of it on the device."""

    def __init__(self, like: Tensors, rows: int, dim: int) -> None:
        self._host = {name: torch.empty(flat.shape, dtype=flat.dtype, pin_memory=True) for name, flat in like.items()}
        self.there = {name: torch.empty_like(flat) for name, flat in like.items()}
        self._made = torch.empty((rows, dim), dtype=torch.float32, pin_memory=True)
        self._rows = 0
        self.arrived, self._done = torch.cuda.Event(), torch.cuda.Event()  # type: ignore[no-untyped-call]  # as above

    def copy_in(self, batch: Batch, stream: torch.cuda.Stream) -> None:
        """Begin to copy a batch to the device; `arrived` follows it."""
        with torch.cuda.stream(stream):
            for name, values in batch.items():
                host = self._host[name][: values.size]
                host.copy_(torch.from_numpy(np.ascontiguousarray(values)).view(-1))
                self.there[name][: values.size].copy_(host, non_blocking=True)
            self.arrived.record(stream)

    def copy_out(self, made: torch.Tensor, rows: int, stream: torch.cuda.Stream) -> None:
        """Begin to copy the features of the first rows back."""
        self._rows = rows
        self._made[:rows].copy_(made[:rows], non_blocking=True)
        self._done.record(stream)

    def take(self) -> NDArray[np.float32]:
        """The features, once they are there."""
        self._done.synchronize()
        features: NDArray[np.float32] = self._made[: self._rows].numpy().copy()
        return features


def _shapes(batch: Batch) -> Shapes:
    return tuple((name, values.shape) for name, values in batch.items())


def _dtype(values: NDArray[Any]) -> torch.dtype:
    return torch.from_numpy(values[:0]).dtype
