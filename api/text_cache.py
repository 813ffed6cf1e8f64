"""The texts encoded last, with their vectors: a shop's visitors search for the same few things again and again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TextVector:
    """A text's unit vector, float32 (dim,), and whether the model's context cut the text short."""

    vector: NDArray[np.float32]
    truncated: bool


class TextCache:
    """An LRU of texts of one model; those of another model are forgotten at once.

    For one event loop. A text counts as one entry, whatever its length: at most 2,000 characters and a vector.
    """

    def __init__(self, items: int) -> None:
        self._items = items
        self._model: str | None = None
        self._known: OrderedDict[str, TextVector] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, model: str, texts: Sequence[str]) -> dict[str, TextVector]:
        """Those of the texts that are known, as `model` encoded them."""
        if model != self._model:
            self._known.clear()
            self._model = model
            return {}
        found = {text: self._known[text] for text in texts if text in self._known}
        for text in found:
            self._known.move_to_end(text)
        return found

    def keep(self, model: str, made: dict[str, TextVector]) -> None:
        """Keep what `model` made of texts; the ones used longest ago make room."""
        if self._items == 0 or model != self._model:
            return
        self._known.update(made)
        while len(self._known) > self._items:
            self._known.popitem(last=False)
