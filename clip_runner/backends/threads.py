"""How a pass on a CPU is shared among threads: a batch in parts, each by a thread of its own, where that is possible.

Threads that share the layers of one pass wait for each other in each of them; parts of a batch do not. On two cores, in
milliseconds an item, for ViT-B/32: 16 texts 3.7 shared and 3.3 in two parts, 4 texts 8.0 and 5.4, 16 photos 28 and 27;
for half as large a model: 32 texts 0.48 and 0.30, 16 photos 11.8 and 9.1.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# Multiplications in one layer. From the first on a part has enough to do: 16 texts of the half as large model are two
# parts, 8 are one. From the second on one item is shared: a photo of ViT-B/32 alone takes two threads, a text one.
_ENOUGH_FOR_A_PART = 50e6
_WORTH_SHARING = 250e6
_MOST_UNEVEN = 1.2  # three items in two parts take as long as four would; shared, less


@dataclass(frozen=True)
class Plan:
    """So many parts at once, by so many threads each."""

    parts: int
    threads: int


class Threads:
    """For one tower of a model on a CPU."""

    def __init__(self, most: int, config: Any) -> None:
        """`most` threads together; `config` is the tower's, as transformers has it."""
        self._most = most
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="pass")
        width = int(getattr(config, "hidden_size", 0))
        inner = int(getattr(config, "intermediate_size", 0))
        self._weights = 4 * width**2 + 2 * width * inner if width and inner else 0
        """Of one layer: attention's four matrices, and the two after it; 0 where the configuration does not say."""

    def plan(self, items: int, rows: int) -> Plan:
        """For a pass over so many rows: tokens or patches, of all items of the batch together."""
        if not self._weights:
            return Plan(1, self._most)
        work = rows * self._weights
        parts = max(1, min(self._most, items, int(work // _ENOUGH_FOR_A_PART)))
        if -(-items // parts) * parts > _MOST_UNEVEN * items:
            parts = 1
        return Plan(parts, self._most // parts if work / parts > _WORTH_SHARING else 1)

    def run(self, items: int, rows: int, forward: Callable[[slice], NDArray[np.float32]]) -> NDArray[np.float32]:
        """Features of `items` that stand beside each other, by `forward` over parts of them, in one or more threads."""
        plan = self.plan(items, rows)

        def part(number: int) -> NDArray[np.float32]:
            torch.set_num_threads(plan.threads)  # in the thread that computes: each has a number of its own
            return forward(slice(items * number // plan.parts, items * (number + 1) // plan.parts))

        if plan.parts == 1:
            return part(0)
        return np.concatenate(list(self._pool.map(part, range(plan.parts))))
