"""One item of the catalogue."""

from __future__ import annotations

import json
import math
import re
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
MAX_OBJECT = 1024
MAX_HASH = 64
MAX_TEXT = 4096
"""Longest id, object name, content hash and text field, in bytes of UTF-8: Milvus counts bytes."""

MAX_EXTRA = 60_000
"""Longest JSON of the catalogue's own fields together, in bytes; Milvus' limit is 65,536."""


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def has_control(text: str) -> bool:
    """Whether a text holds control characters or half a surrogate pair: no id may, and no filter can ask for it."""
    return _CONTROL.search(text) is not None


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

    def problem(self) -> str | None:
        """Why no collection could hold this item, whatever its vector; None where one could."""
        if not self.id or has_control(self.id):
            return f"{self.id!r} cannot be an id: it is empty, or holds control characters"
        longest = {"id": MAX_ID, "object": MAX_OBJECT, "content_hash": MAX_HASH} | dict.fromkeys(TEXT_FIELDS, MAX_TEXT)
        for name, limit in longest.items():
            if len((getattr(self, name) or "").encode()) > limit:
                return f"its {name} is longer than {limit} bytes"
        if taken := RESERVED & self.extra.keys():
            return f"{min(taken)!r} cannot be a field of the catalogue's own"
        for name, value in self.extra.items():
            if isinstance(value, float) and not math.isfinite(value):
                return f"its {name} is not a number"
        if len(json.dumps(self.extra, ensure_ascii=False).encode()) > MAX_EXTRA:
            return f"its further fields are longer than {MAX_EXTRA} bytes together"
        return None

    def row(self) -> dict[str, Any]:
        """The item as Milvus keeps it; absent texts are stored as "", since not every server knows null.

        Raises ValueError for an item that no collection could hold.
        """
        if problem := self.problem():
            raise ValueError(f"item {self.id!r}: {problem}")
        # Milvus Lite would take NaN, and lose the item for every search.
        if self.vector is None or not abs(float(np.linalg.norm(self.vector)) - 1) < 1e-3:
            raise ValueError(f"item {self.id!r}: its vector is not of length 1")
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
