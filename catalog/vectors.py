"""The vector database: items in collections, written, counted, looked up and searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymilvus import MilvusClient

from catalog.collections import Collection, Collections
from catalog.errors import ModelMismatch
from catalog.filters import after, both, build_filter, one_of
from catalog.item import Item, has_control
from catalog.schema import ITEM_FIELDS, WRITE_TIMEOUT, is_lite
from catalog.settings import StoreSettings


@dataclass(frozen=True)
class Hit:
    """A found item and its raw cosine similarity."""

    item: Item
    score: float


class VectorDatabase(Collections):
    """Milvus, as the project uses it. Thread-safe; every call has a time limit.

    Every method raises StoreUnavailable when Milvus does not answer, StoreRefused when it may not or cannot do what
    it was asked, and CollectionMissing when the collection it was given is gone. What was written through one of
    these, it finds at once; others find it a moment later. A Milvus that was restarted answers none of them before it
    knows all again. Searching needs the privileges DescribeAlias, DescribeCollection, Search and Query; loading needs
    all.
    """

    def __init__(self, settings: StoreSettings) -> None:
        super().__init__(settings)
        self._ef = settings.milvus_ef

    def upsert(self, collection: Collection, items: Sequence[Item]) -> None:
        """Write items by id; those that are there are replaced. All of them, or none and an exception.

        Raises ModelMismatch for a vector of another length, ValueError for an item that cannot be stored.
        """
        for item in items:
            _check_dim(collection, item.vector)
        if rows := [item.row() for item in items]:
            self._milvus.call(
                lambda client: client.upsert(collection.name, rows, timeout=WRITE_TIMEOUT), writes=collection.name
            )

    def delete(self, collection: Collection, ids: Sequence[str]) -> None:
        """Remove items; ids that are not there are passed over."""
        if possible := _possible(ids):
            condition = one_of("id", possible)
            self._milvus.call(
                lambda client: client.delete(collection.name, filter=condition, timeout=WRITE_TIMEOUT),
                writes=collection.name,
            )
            self.count(collection)  # waits until the deletion is seen: unlike writes, no reader waits for it

    def get(self, collection: Collection, ids: Sequence[str], *, with_vector: bool = False) -> list[Item]:
        """The items that are there, in no particular order."""
        possible = _possible(ids)
        if not possible:
            return []
        fields = [*ITEM_FIELDS, "vector"] if with_vector else ITEM_FIELDS
        rows = self._milvus.call(
            lambda client: client.query(
                collection.name,
                filter=one_of("id", possible),
                output_fields=fields,
                consistency_level=self._milvus.consistency(collection.name),
                timeout=self._timeout,
            ),
            reads=collection.name,
        )
        return [Item.from_row(row) for row in rows]

    def search(
        self,
        collection: Collection,
        vector: NDArray[np.float32],
        *,
        limit: int,
        offset: int = 0,
        min_score: float | None = None,
        filters: Mapping[str, Any] | None = None,
        fields: Sequence[str] = (),
        leave_out: str | None = None,
    ) -> list[Hit]:
        """The nearest items, best first.

        Args:
            vector: unit vector, float32 (dim,); ModelMismatch where its length is another.
            limit, offset: results to return, and to leave out before them.
            min_score: lowest cosine; applied before `offset`.
            filters, fields: see `catalog.filters.build_filter`.
            leave_out: an id that must not be found.
        """
        _check_dim(collection, vector)
        expression = build_filter(filters or {}, fields, leave_out=leave_out)
        parameters = {
            "metric_type": "COSINE",
            "params": {"ef": max(self._ef, limit + offset)},  # Milvus refuses a breadth below what it shall find
            "offset": offset,
        }
        found = self._milvus.call(
            lambda client: client.search(
                collection.name,
                [vector],
                filter=expression,
                limit=limit,
                output_fields=ITEM_FIELDS,
                search_params=parameters,
                consistency_level=self._milvus.consistency(collection.name),
                timeout=self._timeout,
            )[0],
            reads=collection.name,
        )
        hits = [
            Hit(Item.from_row({"id": row["id"], **row["entity"]}), min(1.0, float(row["distance"]))) for row in found
        ]
        # Results come sorted, so a lowest score cuts off their end alone: the same before the offset as after it.
        return [hit for hit in hits if min_score is None or hit.score >= min_score]

    def into_segments(self, collection: Collection) -> None:
        """Make what was written fast to search. For the end of every load, small ones too.

        Milvus Lite reads what is in no segment yet row by row. While it moves it there, for a second at most, searches
        wait. Milvus itself does so in its own time, and is not asked: its users may not flush.
        """

        def flush(client: MilvusClient) -> None:
            if is_lite(client):
                client.flush(collection.name, timeout=WRITE_TIMEOUT)

        self._milvus.call(flush)

    def count(self, collection: Collection, *, source: str | None = None) -> int:
        """Items in the collection, or those of one source; those of the last moment included."""
        rows = self._milvus.call(
            lambda client: client.query(
                collection.name,
                filter=one_of("source", [source]) if source else "",
                output_fields=["count(*)"],
                consistency_level="Strong",
                timeout=WRITE_TIMEOUT,
            ),
            reads=collection.name,
        )
        return int(rows[0]["count(*)"])

    def iterate(
        self,
        collection: Collection,
        *,
        source: str | None = None,
        filters: Mapping[str, Any] | None = None,
        fields: Sequence[str] = (),
        start_after: str | None = None,
        batch: int = 5000,
    ) -> Iterator[list[Item]]:
        """All items, or those of one source, or those that filters let through, as in `search`.

        They come without their vectors, in batches ordered by id; whoever was interrupted goes on after an id.
        """
        wanted = both(one_of("source", [source]) if source else "", build_filter(filters or {}, fields))
        self.count(collection)  # waits until all that was written before is seen, once instead of for each page
        last = start_after
        while True:
            # By id, page after page: needs no state in the server, so it survives the server's restart. What the
            # client's own iterator does, but for its way to put ids between quotes.
            rows = self._first(collection, both(wanted, after("id", last) if last is not None else ""), batch)
            if not rows:
                return
            yield [Item.from_row(row) for row in rows]
            last = max(row["id"] for row in rows)

    def _first(self, collection: Collection, condition: str, most: int) -> list[dict[str, Any]]:
        """The rows with the smallest ids that fulfil a condition, in no order."""
        return self._milvus.call(
            lambda client: client.query(
                collection.name,
                filter=condition,
                limit=most,
                output_fields=ITEM_FIELDS,
                timeout=WRITE_TIMEOUT,
                # Together: the rows with the smallest ids, in their order.
                iterator="True",
                reduce_stop_for_best="True",
            ),
            reads=collection.name,
            again=False,  # by a Milvus that was restarted meanwhile; whoever goes on here waits for all of it first
        )


def _possible(ids: Sequence[str]) -> list[str]:
    """Those of the ids that an item could have."""
    return [id for id in ids if id and not has_control(id)]


def _check_dim(collection: Collection, vector: NDArray[np.float32] | None) -> None:
    dim = collection.model.dim
    if vector is None or vector.shape != (dim,):
        numbers = "no" if vector is None else "x".join(map(str, vector.shape))
        raise ModelMismatch(f"{collection.name} holds vectors of {dim} numbers, this one has {numbers}")
