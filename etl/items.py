"""From a source's record to the catalogue's item."""

from __future__ import annotations

import hashlib
import json
import re

import numpy as np
from numpy.typing import NDArray

from catalog.images import object_name
from catalog.item import TEXT_FIELDS, Item, Scalar
from etl.dataset import Record
from etl.errors import RecordError

_HALF_SURROGATE = re.compile("[\ud800-\udfff]")
_MOST_INT = 2**63 - 1

_TYPES = (
    (b"\xff\xd8\xff", ".jpg", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", ".png", "image/png"),
    (b"GIF8", ".gif", "image/gif"),
    (b"II*\0", ".tif", "image/tiff"),
    (b"MM\0*", ".tif", "image/tiff"),
    (b"BM", ".bmp", "image/bmp"),
)


def photo_type(content: bytes) -> tuple[str, str]:
    """A photo's ending and content type, told by its first bytes: names lie, and addresses have no endings."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp", "image/webp"
    for magic, ending, content_type in _TYPES:
        if content.startswith(magic):
            return ending, content_type
    return "", "application/octet-stream"


def object_of(record: Record, content: bytes) -> str:
    """The photo's name in the bucket, with the ending of what it is."""
    return object_name(record.source, record.id, photo_type(content)[0])


def item_of(record: Record, *, object: str, content_hash: str, vector: NDArray[np.float32] | None) -> Item:
    """The item that a record becomes."""
    fields = dict(record.fields)
    fixed: dict[str, Scalar | None] = {name: fields.pop(name, None) for name in TEXT_FIELDS if name != "source"}
    return Item(
        id=record.id,
        object=object,
        content_hash=content_hash,
        source=record.source,
        extra=fields,
        vector=vector,
        **{name: str(value) if value is not None else None for name, value in fixed.items()},
    )


def fields_digest(record: Record) -> str:
    """A digest of all that people see of an item but its photo."""
    text = json.dumps([record.source, record.fields], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def problem_of(record: Record) -> RecordError | None:
    """Why a record cannot become an item, before its photo is looked at."""
    if record.problem:
        return record.problem
    if not record.id:
        return RecordError("missing_id", "the row has neither an id nor a photo's path")
    texts = {"id": record.id, "source": record.source} | record.fields
    for name, value in texts.items():
        if isinstance(value, str) and _HALF_SURROGATE.search(value):
            return RecordError("invalid_item", f"its {name} is no proper text")
        if isinstance(value, int) and abs(value) > _MOST_INT:
            return RecordError("invalid_item", f"its {name} is a number of more than 64 bits")
    item = item_of(record, object=object_of(record, b""), content_hash="", vector=None)
    return RecordError("invalid_item", problem) if (problem := item.problem()) else None
