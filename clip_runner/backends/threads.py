"""How many threads one pass is shared among: a small pass is done sooner, and cheaper, by one alone."""

from __future__ import annotations

from typing import Any

# Multiplications in one layer, from which on sharing pays. On two cores, threads that sleep while they wait: waking and
# waiting costs about 1.4 ms a layer, so a text alone takes 3.3 ms on one thread and 7.6 on two (width 256, 4 layers),
# a photo 74 and 57 (width 768, 12 layers).
_WORTH_SHARING = 250e6


class Threads:
    """For one tower of a model on a CPU."""

    def __init__(self, most: int, config: Any) -> None:
        """`most` threads for a large pass; `config` is the tower's, as transformers has it."""
        self._most = most
        width = int(getattr(config, "hidden_size", 0))
        inner = int(getattr(config, "intermediate_size", 0))
        self._weights = 4 * width**2 + 2 * width * inner if width and inner else 0
        """Of one layer: attention's four matrices, and the two after it; 0 where the configuration does not say."""

    def for_rows(self, rows: int) -> int:
        """For a pass over so many rows: tokens or patches, of all items of the batch together."""
        if self._weights and rows * self._weights <= _WORTH_SHARING:
            return 1
        return self._most
