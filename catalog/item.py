"""One item of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scalar = str | int | float | bool

TEXT_FIELDS = ("title", "category", "colour", "gender", "source")
"""Fields that every item may have; all others are the catalogue's own."""

RESERVED = frozenset({"id", "object", "vector", "content_hash", *TEXT_FIELDS})
"""Names that a catalogue's own fields cannot have."""

MAX_ID = 512
MAX_TEXT = 4096
"""Longest id and longest text field, in bytes of UTF-8: Milvus counts bytes."""


@dataclass(frozen=True)
class Item:
    """An item: `object` names its photo in the bucket, `content_hash` is the photo's SHA-256 in hex.

    An absent value is None, never an empty text. `vector` is a unit vector, float32 (dim,), where it was asked for.
    """

    id: str
    object: str
    content_hash: str
    title: str | None = None
    category: str | None = None
    colour: str | None = None
    gender: str | None = None
    source: str | None = None
    extra: dict[str, Scalar] = field(default_factory=dict)
    vector: NDArray[np.float32] | None = None

    def metadata(self) -> dict[str, Any]:
        """All that people may see, without absent values."""
        fixed = {name: getattr(self, name) for name in TEXT_FIELDS}
        return {name: value for name, value in fixed.items() if value is not None} | self.extra

    def row(self) -> dict[str, Any]:
        """The item as Milvus keeps it; absent texts are stored as "", since not every server knows null."""
        if self.vector is None:
            raise ValueError("an item without a vector cannot be stored")
        fixed = {name: getattr(self, name) or "" for name in TEXT_FIELDS}
        return {
            "id": self.id,
            "object": self.object,
            "content_hash": self.content_hash,
            "vector": self.vector,
            **fixed,
            **self.extra,
        }

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Item:
        """The item of a row that Milvus returned."""
        vector = row.get("vector")
        return cls(
            id=row["id"],
            object=row.get("object", ""),
            content_hash=row.get("content_hash", ""),
            **{name: row.get(name) or None for name in TEXT_FIELDS},
            extra={name: value for name, value in row.items() if name not in RESERVED and value is not None},
            vector=None if vector is None else np.asarray(vector, np.float32),
        )
