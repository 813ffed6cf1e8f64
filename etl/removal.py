"""Removing items: first from the search, then their photos from the store, also over a kill in between."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from catalog.collections import Collection
from catalog.images import ImageStore
from catalog.item import Item
from catalog.vectors import VectorDatabase
from etl.waiting import Patience

_TOGETHER = 500


class Leftovers:
    """Objects that are to go, noted on disk before their items do."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def plan(self, items: Iterable[Item]) -> None:
        """Note these items' objects."""
        if lines := [json.dumps([item.id, item.object]) + "\n" for item in items]:
            with self._file.open("a", encoding="utf-8") as stream:
                stream.writelines(lines)

    def clear(self, collection: Collection, vectors: VectorDatabase, images: ImageStore, patience: Patience) -> None:
        """Remove the objects that no item has any more; each is asked for, since a kill may have saved its item."""
        pairs = self._pairs()
        while part := list(islice(pairs, _TOGETHER)):
            there = patience.call("milvus", vectors.get, collection, [id for id, _ in part])
            used = {item.object for item in there}
            patience.call("store", images.remove, [name for _, name in part if name not in used])
        self._file.unlink(missing_ok=True)

    def _pairs(self) -> Iterator[tuple[str, str]]:
        if self._file.exists():
            for line in self._file.read_text("utf-8").splitlines():
                try:
                    id, name = json.loads(line)
                except ValueError:
                    continue  # a line that was cut off: its item did not go
                yield id, name


def remove_items(
    items: Sequence[Item],
    collection: Collection,
    *,
    vectors: VectorDatabase,
    images: ImageStore,
    leftovers: Leftovers,
    patience: Patience,
) -> None:
    """Remove items, and then their photos."""
    for start in range(0, len(items), _TOGETHER):
        part = items[start : start + _TOGETHER]
        leftovers.plan(part)
        patience.call("milvus", vectors.delete, collection, [item.id for item in part])
        leftovers.clear(collection, vectors, images, patience)
