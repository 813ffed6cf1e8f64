from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.collections import Collection, CollectionModel
from catalog.errors import CatalogError, CollectionMissing, ModelMismatch
from catalog.facets import count_facets
from catalog.item import Item
from catalog.vectors import VectorDatabase
from tests.stack import Stores

MODEL = CollectionModel("model@12345678", 8)


def unit(seed: int) -> NDArray[np.float32]:
    vector = np.random.default_rng(seed).normal(size=MODEL.dim).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def item(number: int, **fields: Any) -> Item:
    whole: dict[str, Any] = {"id": f"item {number}", "object": f"o/{number}.jpg", "content_hash": f"{number}"}
    return Item(**(whole | {"vector": unit(number)} | fields))


@pytest.fixture
def vectors(stores: Stores, request: pytest.FixtureRequest) -> Iterator[VectorDatabase]:
    """A database whose alias is this test's own."""
    database = VectorDatabase(stores.settings(milvus_collection=request.node.name[:60]))
    yield database
    database.close()


@pytest.fixture
def collection(vectors: VectorDatabase) -> Collection:
    made = vectors.create(MODEL)
    vectors.publish(made)
    return made


def test_nothing_loaded_is_no_error(vectors: VectorDatabase) -> None:
    assert vectors.current() is None
    assert vectors.collections() == []
    gone = Collection("never_made", MODEL)
    assert vectors.collection(gone.name) is None
    assert vectors.facets(gone).total == 0
    with pytest.raises(CollectionMissing):
        vectors.search(gone, unit(1), limit=1)


def test_the_collection_remembers_its_model(vectors: VectorDatabase, collection: Collection) -> None:
    assert vectors.current() == collection
    assert collection.model == MODEL


def test_upsert_replaces_and_delete_forgives(vectors: VectorDatabase, collection: Collection) -> None:
    vectors.upsert(collection, [])
    vectors.upsert(collection, [item(1, colour="red"), item(2)])
    vectors.upsert(collection, [item(1, colour="blue")])
    assert vectors.count(collection) == 2
    assert vectors.get(collection, ["item 1"])[0].colour == "blue"
    vectors.delete(collection, ["item 1", "never there", "", "a\0b"])
    assert vectors.count(collection) == 1


def test_vectors_of_another_kind_are_refused(vectors: VectorDatabase, collection: Collection) -> None:
    short = np.ones(3, np.float32) / np.sqrt(3)
    with pytest.raises(ModelMismatch, match="holds vectors of 8 numbers, this one has 3"):
        vectors.upsert(collection, [item(1), item(2, vector=short)])
    with pytest.raises(ModelMismatch):
        vectors.search(collection, short, limit=1)
    for bad in (np.full(8, np.nan, np.float32), np.ones(8, np.float32), np.zeros(8, np.float32)):
        with pytest.raises(ValueError, match="length 1"):
            vectors.upsert(collection, [item(1), item(2, vector=bad)])
    assert vectors.count(collection) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ""},
        {"id": "a\nb"},
        {"id": "é" * 300},
        {"title": "x" * 5000},
        {"object": "x" * 1025},
        {"extra": {"vector": 1}},
        {"extra": {"title": "another"}},
        {"extra": {"price": float("nan")}},
        {"extra": {"note": "x" * 70_000}},
    ],
)
def test_what_no_collection_could_hold_is_refused_before_it_is_sent(fields: dict[str, object]) -> None:
    odd = item(1, **fields)
    assert odd.problem()
    with pytest.raises(ValueError, match=r"^item "):
        odd.row()


def test_segments_and_what_is_in_none_are_searched_as_one(vectors: VectorDatabase, collection: Collection) -> None:
    vectors.upsert(collection, [item(number) for number in range(300)])
    vectors.into_segments(collection)
    vectors.upsert(collection, [item(number) for number in range(290, 320)])
    exact = sorted(range(320), key=lambda number: -float(unit(number) @ unit(1000)))
    hits = vectors.search(collection, unit(1000), limit=400)
    assert [hit.item.id for hit in hits] == [f"item {number}" for number in exact]


def test_the_alias_switches_in_one_step(vectors: VectorDatabase, collection: Collection) -> None:
    new = vectors.create(CollectionModel("newer@00000000", 4))
    assert vectors.current() == collection
    assert vectors.collections() == [collection.name, new.name]
    vectors.publish(new)
    vectors.publish(new)
    assert vectors.current() == new
    with pytest.raises(CatalogError, match="being searched"):
        vectors.drop(new.name)
    vectors.drop(collection.name)
    assert vectors.collections() == [new.name]
    with pytest.raises(CollectionMissing):
        vectors.search(collection, unit(1), limit=1)
    assert vectors.create(MODEL).name not in (collection.name, new.name)


def test_facets_count_values_by_type_and_leave_out_free_text() -> None:
    kinds = [True, 1, 1.0, "1"]
    items = [
        item(n, category="dress" if n % 3 else "hat", title=f"t{n}", extra={"n": n, "kind": kinds[n % 4]})
        for n in range(300)
    ]
    facets = count_facets(items)
    assert facets.total == 300
    assert facets.fields["category"] == [("dress", 200), ("hat", 100)]
    assert [(type(value), count) for value, count in facets.fields["kind"]] == [(type(kind), 75) for kind in kinds]
    assert set(facets.fields) == {"category", "kind"}  # titles and numbers of their own are no filters
    assert facets.as_of is not None
    assert facets.as_of.endswith("Z")
