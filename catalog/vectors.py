"""The vector database: collections of items, searched through an alias.

A load writes to a collection `<alias>_<n>`; what is searched is what the alias points to, so a rebuild goes on
beside the old collection and takes over in one step. Beside each collection lies `<collection>_about`: the model
its vectors were made with, and the facets of the last load (Milvus Lite keeps no description of a collection).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from catalog.errors import CatalogError, CollectionMissing, ModelMismatch
from catalog.facets import Facets
from catalog.filters import build_filter
from catalog.item import MAX_ID, MAX_TEXT, TEXT_FIELDS, Item
from catalog.milvus import MilvusConnection
from catalog.settings import StoreSettings

# HNSW: degree 32 and a build breadth of 200 give recall@10 >= 0.98 at a million items.
_INDEX = {"M": 32, "efConstruction": 200}
_WRITE_TIMEOUT = 30.0  # seconds; a batch of upserts, or making a collection and loading it
_MAX_JSON = 60_000  # Milvus' limit for a text field is 65,535 bytes


@dataclass(frozen=True)
class CollectionModel:
    """What made a collection's vectors; `model` is opaque here, equal texts mean comparable vectors."""

    model: str
    dim: int


@dataclass(frozen=True)
class Collection:
    """A collection under its own name (not the alias), so that what was learnt of it stays true of it."""

    name: str
    model: CollectionModel


@dataclass(frozen=True)
class Hit:
    """A found item and its raw cosine similarity."""

    item: Item
    score: float


class VectorDatabase:
    """Milvus, as the project uses it. Thread-safe; every call has a time limit.

    Every method raises StoreUnavailable when Milvus does not answer, and CollectionMissing when the collection it
    was given is gone.
    """

    def __init__(self, settings: StoreSettings) -> None:
        self._alias = settings.milvus_collection
        self._timeout = settings.milvus_timeout
        self._ef = settings.milvus_ef
        self._milvus = MilvusConnection(settings)

    def close(self) -> None:
        self._milvus.close()

    # --- collections

    def current(self) -> Collection | None:
        """The collection that the alias points to; None where nothing has been loaded yet."""
        try:
            alias = self._milvus.call(lambda client: client.describe_alias(self._alias, timeout=self._timeout))
        except CollectionMissing:
            return None
        return self.collection(alias["collection_name"])

    def collection(self, name: str) -> Collection | None:
        """The collection of that name; None where there is none."""
        try:
            about = self._about(name, "model")
        except CollectionMissing:
            return None
        return None if about is None else Collection(name, CollectionModel(about["model"], about["dim"]))

    def collections(self) -> list[str]:
        """The names of all collections behind the alias, oldest first."""
        names = self._milvus.call(lambda client: client.list_collections(timeout=self._timeout))
        numbers = [name.removeprefix(f"{self._alias}_") for name in names if name.startswith(f"{self._alias}_")]
        return [f"{self._alias}_{number}" for number in sorted((n for n in numbers if n.isdigit()), key=int)]

    def create(self, model: CollectionModel) -> Collection:
        """Make an empty collection for vectors of `model`; it is searched only once it is published."""
        names = self.collections()
        number = int(names[-1].rpartition("_")[2]) + 1 if names else 1
        name = f"{self._alias}_{number}"
        self._milvus.call(lambda client: _make_about(client, f"{name}_about"))
        self._milvus.call(lambda client: _make_items(client, name, model.dim))
        self._remember(name, "model", {"model": model.model, "dim": model.dim})
        return Collection(name, model)

    def publish(self, collection: Collection) -> None:
        """Point the alias to `collection`, in one step for whoever searches."""

        def switch(client: MilvusClient) -> None:
            try:
                client.describe_alias(self._alias, timeout=self._timeout)
            except MilvusException:
                client.create_alias(collection.name, self._alias, timeout=_WRITE_TIMEOUT)
            else:
                client.alter_alias(collection.name, self._alias, timeout=_WRITE_TIMEOUT)

        self._milvus.call(switch)

    def drop(self, name: str) -> None:
        """Remove a collection for good; the one that is searched is refused."""
        current = self.current()
        if current is not None and current.name == name:
            raise CatalogError(f"{name} is being searched; publish another collection first")
        self._milvus.call(lambda client: client.drop_collection(name, timeout=_WRITE_TIMEOUT))
        self._milvus.call(lambda client: client.drop_collection(f"{name}_about", timeout=_WRITE_TIMEOUT))

    # --- items

    def upsert(self, collection: Collection, items: Sequence[Item]) -> None:
        """Write items by id; those that are there are replaced. All of them, or StoreUnavailable.

        Raises ModelMismatch for a vector of another length, ValueError for one that is no unit vector.
        """
        for item in items:
            _check_vector(item, collection.model.dim)
        rows = [item.row() for item in items]
        self._milvus.call(lambda client: client.upsert(collection.name, rows, timeout=_WRITE_TIMEOUT))

    def delete(self, collection: Collection, ids: Sequence[str]) -> None:
        """Remove items; ids that are not there are passed over."""
        self._milvus.call(lambda client: client.delete(collection.name, ids=list(ids), timeout=_WRITE_TIMEOUT))

    def get(self, collection: Collection, ids: Sequence[str], *, with_vector: bool = False) -> list[Item]:
        """The items that are there, in no particular order."""
        if not ids:
            return []
        fields = [*_OUTPUT, "vector"] if with_vector else _OUTPUT
        rows = self._milvus.call(
            lambda client: client.get(collection.name, list(ids), output_fields=fields, timeout=self._timeout),
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
            vector: unit vector, float32 (dim,).
            limit, offset: results to return, and to leave out before them.
            min_score: lowest cosine; applied before `offset`.
            filters, fields: see `catalog.filters.build_filter`.
            leave_out: an id that must not be found.
        """
        expression = build_filter(filters or {}, fields, leave_out=leave_out)
        # One fetch from the start: results come sorted, so a lowest score cuts off the tail alone, and an offset
        # given to the server would make it compute the same.
        found = self._milvus.call(
            lambda client: client.search(
                collection.name,
                [vector],
                filter=expression,
                limit=limit,
                output_fields=_OUTPUT,
                search_params={
                    "metric_type": "COSINE",
                    "params": {"ef": max(self._ef, limit + offset)},
                    "offset": offset,
                },
                timeout=self._timeout,
            )[0],
            reads=collection.name,
        )
        hits = [
            Hit(Item.from_row({"id": row["id"], **row["entity"]}), min(1.0, float(row["distance"]))) for row in found
        ]
        return [hit for hit in hits if min_score is None or hit.score >= min_score]

    def count(self, collection: Collection) -> int:
        """Items in the collection, those of the last moment included."""
        rows = self._milvus.call(
            lambda client: client.query(
                collection.name,
                filter="",
                output_fields=["count(*)"],
                consistency_level="Strong",
                timeout=_WRITE_TIMEOUT,
            ),
            reads=collection.name,
        )
        return int(rows[0]["count(*)"])

    def iterate(self, collection: Collection, *, source: str | None = None, batch: int = 1000) -> Iterator[list[Item]]:
        """All items, or those of one source, without their vectors, in batches."""
        expression = build_filter({"source": source}, ("source",)) if source else ""
        last = ""
        while True:
            # By id, page after page: needs no state in the server, so it survives the server's restart.
            after = f"id > {json.dumps(last, ensure_ascii=False)}" if last else ""
            condition = " and ".join(part for part in (expression, after) if part)

            def page(client: MilvusClient, condition: str = condition) -> list[dict[str, Any]]:
                # Only the iterator returns rows in the order of their ids.
                iterator = client.query_iterator(
                    collection.name,
                    batch_size=batch,
                    limit=batch,
                    filter=condition,
                    output_fields=_OUTPUT,
                    consistency_level="Strong",
                    timeout=_WRITE_TIMEOUT,
                )
                try:
                    return list(iterator.next())
                finally:
                    iterator.close()

            rows = self._milvus.call(page, reads=collection.name)
            if not rows:
                return
            yield [Item.from_row(row) for row in rows]
            last = max(row["id"] for row in rows)

    # --- what is kept beside a collection

    def facets(self, collection: Collection) -> Facets:
        """The facets of the last load; empty ones where none have been counted."""
        index = self._about(collection.name, "facets")
        if index is None:
            return Facets()
        fields = {}
        for number, name in enumerate(index["fields"]):
            fields[name] = (self._about(collection.name, f"facet-{number}") or {"values": []})["values"]
        return Facets.from_answer({"fields": fields, "total": index["total"], "as_of": index["as_of"]})

    def save_facets(self, collection: Collection, facets: Facets) -> None:
        """Keep facets beside their collection; a field whose values are too long to keep loses its rarest ones."""
        answer = facets.answer()
        for number, values in enumerate(answer["fields"].values()):
            while len(json.dumps(values)) > _MAX_JSON:
                values.pop()
            self._remember(collection.name, f"facet-{number}", {"values": values})
        self._remember(
            collection.name,
            "facets",
            {"fields": list(answer["fields"]), "total": facets.total, "as_of": facets.as_of},
        )

    def _about(self, collection: str, key: str) -> dict[str, Any] | None:
        name = f"{collection}_about"
        rows = self._milvus.call(
            lambda client: client.get(name, [key], output_fields=["value"], timeout=self._timeout), reads=name
        )
        return json.loads(rows[0]["value"]) if rows else None

    def _remember(self, collection: str, key: str, value: dict[str, Any]) -> None:
        row = {"key": key, "value": json.dumps(value), "nothing": [0.0, 1.0]}
        self._milvus.call(lambda client: client.upsert(f"{collection}_about", [row], timeout=_WRITE_TIMEOUT))


_OUTPUT = ["id", "object", "content_hash", *TEXT_FIELDS, "$meta"]


def _make_items(client: MilvusClient, name: str, dim: int) -> None:
    schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=MAX_ID)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    schema.add_field("object", DataType.VARCHAR, max_length=1024)
    schema.add_field("content_hash", DataType.VARCHAR, max_length=64)
    for field in TEXT_FIELDS:
        schema.add_field(field, DataType.VARCHAR, max_length=MAX_TEXT)
    index = client.prepare_index_params()
    index.add_index("vector", index_type="HNSW", metric_type="COSINE", params=_INDEX)
    # Bounded: a search sees what is older than a few seconds. Strong makes each search of Milvus 2.3 wait 200 ms.
    client.create_collection(
        name, schema=schema, index_params=index, consistency_level="Bounded", timeout=_WRITE_TIMEOUT
    )


def _make_about(client: MilvusClient, name: str) -> None:
    if client.has_collection(name, timeout=_WRITE_TIMEOUT):
        client.drop_collection(name, timeout=_WRITE_TIMEOUT)
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=64)
    schema.add_field("value", DataType.VARCHAR, max_length=65_535)
    schema.add_field("nothing", DataType.FLOAT_VECTOR, dim=2)  # a collection must have a vector
    index = client.prepare_index_params()
    index.add_index("nothing", index_type="FLAT", metric_type="L2")
    client.create_collection(
        name, schema=schema, index_params=index, consistency_level="Strong", timeout=_WRITE_TIMEOUT
    )


def _check_vector(item: Item, dim: int) -> None:
    vector = item.vector
    if vector is None or vector.shape != (dim,):
        raise ModelMismatch(f"item {item.id!r}: the collection holds vectors of {dim} numbers")
    # Milvus Lite would take NaN, and lose the item for every search.
    if not abs(float(np.linalg.norm(vector)) - 1) < 1e-3:
        raise ValueError(f"item {item.id!r}: its vector is not of length 1")
