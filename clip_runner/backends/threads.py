"""How a batch on a CPU is shared among threads: in parts, each by a thread of its own, where there is enough to do.

Threads that share the layers of one pass wait for each other in each of them; parts of a batch do not. On two cores, in
milliseconds an item, for ViT-B/32: 16 texts 3.7 shared and 3.3 in two parts, 4 texts 8.0 and 5.4, 16 photos 28 and 27;
for half as large a model: 32 texts 0.48 and 0.30, 16 photos 11.8 and 9.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# Multiplications in one layer. From the first on a part has enough to do: 16 texts of the half as large model are two
# parts, 8 are one. From the second on a part may be shared: a photo of ViT-B/32 alone takes two threads, a text one.
_ENOUGH_FOR_A_PART = 50e6
_WORTH_SHARING = 250e6
_GAIN = 0.8  # threads that share a pass are as fast as so many to this power; two were 1.6 to 1.9 times as fast as one


@dataclass(frozen=True)
class Plan:
    """So many parts beside each other, by so many threads each; those of one batch no more than there may be."""

    parts: int
    threads: int

    def takes(self, items: int) -> float:
        """The time of it, where one item on one thread takes 1."""
        return float(-(-items // self.parts) / self.threads**_GAIN)


def workers(most: int) -> list[ThreadPoolExecutor]:
    """A thread for each part: the first part is always the first one's, and so on.

    OpenMP keeps a team of threads for each thread that ever shared a pass: the later a part, the smaller its team.
    """
    return [ThreadPoolExecutor(1, thread_name_prefix=f"part-{number}") for number in range(most)]


class Threads:
    """For one tower of a model on a CPU."""

    def __init__(self, workers: Sequence[ThreadPoolExecutor], config: Any) -> None:
        """`workers`: one for each thread there may be; `config` is the tower's, as transformers has it."""
        self._workers = workers
        width = int(getattr(config, "hidden_size", 0))
        inner = int(getattr(config, "intermediate_size", 0))
        self._weights = 4 * width**2 + 2 * width * inner if width and inner else 0
        """Of one layer: attention's four matrices, and the two after it; 0 where the configuration does not say."""

    def plan(self, items: int, rows: int) -> Plan:
        """The quickest for so many rows: tokens or patches, of all items of the batch together."""
        if not self._weights:
            return Plan(1, len(self._workers))
        most = min(len(self._workers), items, int(rows * self._weights // _ENOUGH_FOR_A_PART))
        plans = (Plan(parts, self._for_each(parts, rows)) for parts in range(1, max(1, most) + 1))
        return min(plans, key=lambda plan: plan.takes(items))

    def _for_each(self, parts: int, rows: int) -> int:
        """Threads for each of so many parts."""
        alone = self._weights and rows * self._weights / parts <= _WORTH_SHARING
        return 1 if alone else len(self._workers) // parts

    def beside(self, parts: Sequence[Callable[[], NDArray[np.float32]]], rows: int) -> NDArray[np.float32]:
        """What the parts of a batch, of so many rows together, make, in their order: no more parts than threads.

        When this returns, or raises what a part raised, no part is under way any more.
        """
        threads = self._for_each(len(parts), rows)

        def computed(part: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
            # In the thread that computes: each has a number of its own once it has asked for it. Before, it would have
            # the one that any thread set last.
            torch.get_num_threads()
            torch.set_num_threads(threads)
            return part()

        if len(parts) == 1 and threads == 1:
            return computed(parts[0])  # here: beside whatever else is computed, and behind none of it
        under_way = [self._workers[number].submit(computed, part) for number, part in enumerate(parts)]
        wait(under_way)
        return np.concatenate([each.result() for each in under_way])


def even(items: int, parts: int) -> list[slice]:
    """Items in their order, cut into parts of about as many."""
    return [slice(items * part // parts, items * (part + 1) // parts) for part in range(parts)]
