from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from catalog.errors import CatalogError, CollectionMissing, ModelMismatch, StoreUnavailable
from catalog.facets import count_facets
from catalog.item import Item
from catalog.vectors import Collection, CollectionModel, VectorDatabase
from tests.stack import Stores, pause, resume

T = TypeVar("T")

MODEL = CollectionModel("model@12345678", 8)


def unit(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=MODEL.dim).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def item(number: int, **fields: object) -> Item:
    return Item(id=f"item {number}", object=f"o/{number}.jpg", content_hash=f"{number}", vector=unit(number), **fields)  # type: ignore[arg-type]


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


def eventually(call: Callable[[], T]) -> T:
    """gRPC tries an address that refused again after a pause of its own, of a second or two."""
    deadline = time.monotonic() + 15
    while True:
        try:
            return call()
        except StoreUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_nothing_loaded_is_no_error(vectors: VectorDatabase) -> None:
    assert vectors.current() is None
    assert vectors.collections() == []


def test_the_collection_remembers_its_model(vectors: VectorDatabase, collection: Collection) -> None:
    assert vectors.current() == collection
    assert collection.model == MODEL


def test_items_come_back_as_they_went(vectors: VectorDatabase, collection: Collection) -> None:
    whole = item(
        1, title="a título", category="dress", colour="red", gender="kids", source="s", extra={"n": 1, "b": True}
    )
    bare = item(2)
    vectors.upsert(collection, [whole, bare])
    back = {found.id: found for found in vectors.get(collection, ["item 1", "item 2", "none"], with_vector=True)}
    assert back["item 1"].metadata() == whole.metadata()
    assert back["item 2"].metadata() == {}
    assert back["item 2"].category is None
    vector = back["item 1"].vector
    assert vector is not None
    assert np.array_equal(vector, unit(1))


def test_upsert_replaces_and_delete_forgives(vectors: VectorDatabase, collection: Collection) -> None:
    vectors.upsert(collection, [item(1, colour="red"), item(2)])
    vectors.upsert(collection, [item(1, colour="blue")])
    assert vectors.count(collection) == 2
    assert vectors.get(collection, ["item 1"])[0].colour == "blue"
    vectors.delete(collection, ["item 1", "never there"])
    assert vectors.count(collection) == 1


def test_search_finds_the_nearest_first(vectors: VectorDatabase, collection: Collection) -> None:
    items = [item(number) for number in range(50)]
    vectors.upsert(collection, items)
    query = unit(1000)
    exact = sorted(items, key=lambda one: -float(unit(int(one.content_hash)) @ query))
    hits = vectors.search(collection, query, limit=10)
    assert [hit.item.id for hit in hits] == [one.id for one in exact[:10]]
    assert hits[0].score == pytest.approx(float(unit(int(exact[0].content_hash)) @ query), abs=1e-5)
    paged = vectors.search(collection, query, limit=5, offset=5)
    assert [hit.item.id for hit in paged] == [one.id for one in exact[5:10]]


def test_all_items_are_iterated_once(vectors: VectorDatabase, collection: Collection) -> None:
    vectors.upsert(collection, [item(number, source="a" if number % 2 else "b") for number in range(25)])
    pages = list(vectors.iterate(collection, batch=10))
    assert sorted(found.id for page in pages for found in page) == sorted(f"item {number}" for number in range(25))
    assert sum(len(page) for page in vectors.iterate(collection, source="a", batch=10)) == 12


def test_vectors_of_another_kind_are_refused(vectors: VectorDatabase, collection: Collection) -> None:
    other = Item(id="x", object="x", content_hash="", vector=np.ones(3, np.float32) / np.sqrt(3))
    with pytest.raises(ModelMismatch):
        vectors.upsert(collection, [other])
    for bad in (np.full(8, np.nan, np.float32), np.ones(8, np.float32)):
        with pytest.raises(ValueError, match="length 1"):
            vectors.upsert(collection, [Item(id="x", object="x", content_hash="", vector=bad)])


def test_the_alias_switches_in_one_step(vectors: VectorDatabase, collection: Collection) -> None:
    new = vectors.create(CollectionModel("newer@00000000", 4))
    assert vectors.current() == collection
    vectors.publish(new)
    assert vectors.current() == new
    with pytest.raises(CatalogError, match="being searched"):
        vectors.drop(new.name)
    vectors.drop(collection.name)
    assert vectors.collections() == [new.name]
    with pytest.raises(CollectionMissing):
        vectors.search(collection, unit(1), limit=1)


def test_facets_are_kept(vectors: VectorDatabase, collection: Collection) -> None:
    assert vectors.facets(collection).total == 0
    items = [
        item(n, category="dress" if n % 3 else "hat", title=f"t{n}", extra={"n": n, "sale": n == 1}) for n in range(300)
    ]
    facets = count_facets(items)
    assert facets.fields["category"] == [("dress", 200), ("hat", 100)]
    assert facets.fields["sale"] == [(False, 299), (True, 1)]
    assert set(facets.fields) == {"category", "sale"}  # titles and numbers of their own are no filters
    vectors.save_facets(collection, facets)
    assert vectors.facets(collection) == facets


def test_milvus_away_is_told_in_time_and_used_again_when_back(tmp_path: Path) -> None:
    stores = Stores(tmp_path)
    vectors = VectorDatabase(stores.settings())
    try:
        collection = vectors.create(MODEL)
        vectors.publish(collection)
        vectors.upsert(collection, [item(1)])
        pause(stores.milvus.pid)
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            vectors.search(collection, unit(1), limit=1)
        assert time.monotonic() - started < 5
        resume(stores.milvus.pid)
        assert vectors.search(collection, unit(1), limit=1)[0].item.id == "item 1"
        stores.milvus.kill()
        with pytest.raises(StoreUnavailable):
            vectors.current()
        with pytest.raises(StoreUnavailable):
            VectorDatabase(stores.settings()).current()
        stores.start_milvus()
        assert eventually(vectors.current) == collection
        assert vectors.search(collection, unit(1), limit=1)[0].score > 0.999
    finally:
        vectors.close()
        stores.stop()
