"""What a backend is: token ids and pixels in, features out. Tokens, batches and unit length are the encoder's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Tokens = dict[str, NDArray[np.int64]]
"""`input_ids` and, where the model has it, `attention_mask`; each of shape (n, length), padded."""


class OutOfMemory(Exception):
    """The batch is too large for the device's memory; half of it may fit."""


class Backend(Protocol):
    """A loaded model."""

    device: str
    dtype: str

    side_by_side: bool
    """Whether several threads may give it batches at once; if not, one at a time."""

    text_step: int
    """Texts come padded to a multiple of so many tokens: where each new shape costs time, there are few."""

    def text_parts(self, items: int, tokens: int) -> int:
        """In how many parts beside each other so many texts, of so many tokens together, are computed soonest."""
        ...

    def texts(self, parts: Sequence[Sequence[Tokens]]) -> NDArray[np.float32]:
        """Features (n, dim), of any length, of all texts in their order; OutOfMemory where the batch does not fit.

        Args:
            parts: go beside each other, where there are several; the passes of a part go one after the other.
        """
        ...

    def photos(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (n, dim) of RGB pixels (n, height, width, 3); OutOfMemory where the batch does not fit."""
        ...
