"""A batch that does not fit into memory is halved instead of failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from loguru import logger
from numpy.typing import NDArray

from clip_runner.backends.interface import OutOfMemory


class Halving:
    """Runs batches in pieces that fit; what did not fit once is not tried again."""

    def __init__(self, what: str, largest: int) -> None:
        self._what = what
        self.largest = largest
        """Most items of one piece."""

    def run(self, items: int, encode: Callable[[slice], NDArray[np.float32]]) -> NDArray[np.float32]:
        """Features of items 0..items-1, at least one, of which `encode` makes some at a time.

        Raises OutOfMemory where not even one fits.
        """
        made: list[NDArray[np.float32]] = []
        done = 0
        while done < items:
            piece = slice(done, min(items, done + self.largest))
            try:
                made.append(encode(piece))
            except OutOfMemory:
                count = piece.stop - piece.start
                if count == 1:
                    raise
                self.largest = count // 2
                logger.warning(
                    "a batch of {} {} does not fit into memory; from now on {} at a time",
                    count,
                    self._what,
                    self.largest,
                )
                continue
            done = piece.stop
        return made[0] if len(made) == 1 else np.concatenate(made)


def best_size(sizes: Sequence[int], rate: Callable[[int], float]) -> int:
    """The smallest size that is within 5 % of the best rate; one that does not fit ends the search.

    Args:
        sizes: batch sizes to try, in rising order.
        rate: items a second at a size; raises OutOfMemory where it does not fit.
    """
    rates: dict[int, float] = {}
    for size in sizes:
        try:
            rates[size] = rate(size)
        except OutOfMemory:
            break
    if not rates:
        return sizes[0]
    best = max(rates.values())
    return next(size for size, found in rates.items() if found >= 0.95 * best)
