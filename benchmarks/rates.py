"""How fast a piece of work is, done again and again in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from time import perf_counter, process_time
from typing import Any


def encoding(encode: Callable[..., object], batches: Sequence[Any]) -> Callable[[], int]:
    """Work that encodes the next of the batches, and says how many items that were."""
    turn = cycle(batches)

    def once() -> int:
        batch = next(turn)
        encode(batch)
        return len(batch)

    return once


def rate(work: Callable[[], int], seconds: float, *, warm_up: int = 1) -> tuple[float, float]:
    """Items a second, and CPU seconds an item; `work` does some and says how many. Its first calls are not counted."""
    for _ in range(warm_up):
        work()
    items, begin, cpu, spent = 0, perf_counter(), process_time(), 0.0
    while spent < seconds:
        items += work()
        spent = perf_counter() - begin
    return items / spent, (process_time() - cpu) / items
