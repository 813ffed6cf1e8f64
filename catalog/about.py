"""What is kept beside a collection: the model its vectors were made with, and the facets of its last load.

It lies in a collection of its own, `<name>_about`: Milvus Lite keeps no description of a collection, and a
description could not hold the facets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog.facets import Facets
from catalog.filters import one_of
from catalog.milvus import MilvusConnection
from catalog.schema import MAX_NOTE, WRITE_TIMEOUT, make_notes


@dataclass(frozen=True)
class CollectionModel:
    """What made a collection's vectors; `model` is opaque here, equal texts mean comparable vectors."""

    model: str
    dim: int


class About:
    """The notes beside the collection `name`; raises as `VectorDatabase` does."""

    def __init__(self, milvus: MilvusConnection, name: str, *, timeout: float) -> None:
        self._milvus = milvus
        self.collection = f"{name}_about"
        self._timeout = timeout

    def make(self) -> None:
        """Make it, empty; what an earlier attempt left is removed."""
        self.drop()
        self._milvus.call(lambda client: make_notes(client, self.collection))

    def drop(self) -> None:
        self._milvus.call(lambda client: client.drop_collection(self.collection, timeout=WRITE_TIMEOUT))

    def model(self) -> CollectionModel | None:
        note = self._read(["model"]).get("model")
        return None if note is None else CollectionModel(note["model"], note["dim"])

    def save_model(self, model: CollectionModel) -> None:
        self._write({"model": {"model": model.model, "dim": model.dim}})

    def facets(self, known: Facets | None = None) -> Facets:
        """The facets; `known` itself where they are still the same, which is found out by one small read."""
        index = self._read(["facets"]).get("facets")
        if index is None:
            return Facets()
        if known is not None and (known.as_of, known.total) == (index["as_of"], index["total"]):
            return known
        keys = _keys(index)
        notes = self._read(keys) if keys else {}
        values = {name: notes[key]["values"] for name, key in zip(index["fields"], keys, strict=True) if key in notes}
        return Facets.from_answer({"fields": values, "total": index["total"], "as_of": index["as_of"]})

    def save_facets(self, facets: Facets) -> None:
        """Replace the facets; a field whose values are too long to keep loses its rarest ones."""
        before = self._read(["facets"]).get("facets")
        answer = facets.answer()
        index = {"fields": list(answer["fields"]), "total": facets.total, "as_of": facets.as_of}
        notes = {}
        for key, values in zip(_keys(index), answer["fields"].values(), strict=True):
            while len(json.dumps({"values": values})) > MAX_NOTE:
                values.pop()
            notes[key] = {"values": values}
        # The values first, under keys of their own: who reads meanwhile finds the old ones whole.
        self._write(notes)
        self._write({"facets": index})
        if before is not None and (old := [key for key in _keys(before) if key not in notes]):
            self._milvus.call(
                lambda client: client.delete(self.collection, filter=one_of("key", old), timeout=WRITE_TIMEOUT),
                writes=self.collection,
            )

    def _read(self, keys: Sequence[str]) -> dict[str, Any]:
        rows = self._milvus.call(
            lambda client: client.query(
                self.collection,
                filter=one_of("key", keys),
                output_fields=["key", "value"],
                consistency_level=self._milvus.consistency(self.collection),
                timeout=self._timeout,
            ),
            reads=self.collection,
        )
        return {row["key"]: json.loads(row["value"]) for row in rows}

    def _write(self, notes: Mapping[str, Any]) -> None:
        rows = [{"key": key, "value": json.dumps(value), "nothing": [0.0, 1.0]} for key, value in notes.items()]
        if rows:
            self._milvus.call(
                lambda client: client.upsert(self.collection, rows, timeout=WRITE_TIMEOUT), writes=self.collection
            )


def _keys(index: Mapping[str, Any]) -> list[str]:
    """The keys of the notes with the fields' values; each set of facets has its own."""
    return [f"facet {index['as_of']} {number}" for number in range(len(index["fields"]))]
