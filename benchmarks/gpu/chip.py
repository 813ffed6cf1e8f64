"""What the chip does at best: products of large matrices, and copies to it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.asked import Figures

_SIDE = 8192  # of the matrices: large enough that nothing but the multiplying counts
_COPIED = 256 * 2**20  # bytes
_TIMES = 20


def measure(device: torch.device) -> Figures:
    """Floating-point operations a second of a matrix product in each type, and bytes a second from pinned memory."""
    figures = {
        f"chip {name} FLOP/s": 2 * _SIDE**3 / _seconds(_product(getattr(torch, name), device))
        for name in ("float16", "bfloat16")
    }
    host = torch.empty(_COPIED, dtype=torch.uint8).random_().pin_memory()
    there = torch.empty_like(host, device=device)
    return figures | {"chip copied bytes/s": _COPIED / _seconds(lambda: there.copy_(host, non_blocking=True))}


def _product(dtype: torch.dtype, device: torch.device) -> Callable[[], object]:
    # Random values: of zeros the chip makes less heat, and runs faster.
    one, other = (torch.randn(_SIDE, _SIDE, device=device).to(dtype) for _ in range(2))
    made = torch.empty_like(one)
    return lambda: torch.mm(one, other, out=made)


def _seconds(work: Callable[[], object]) -> float:
    """The median time of `work` on the chip, by its own clock."""
    for _ in range(3):
        work()
    spans = []
    for _ in range(_TIMES):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        begin.record()
        work()
        end.record()
        spans.append((begin, end))
    torch.cuda.synchronize()
    times = sorted(begin.elapsed_time(end) / 1000 for begin, end in spans)
    return float(times[len(times) // 2])
