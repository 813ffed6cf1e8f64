"""What must hold with Milvus Lite and with the full server alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from catalog.collections import Collection, CollectionModel
from catalog.facets import count_facets
from catalog.item import Item
from catalog.vectors import VectorDatabase
from tests.catalog.conftest import MilvusSettings

DIM = 16
ODD_IDS = ["o'clock", 'say "hi"', "back\\slash", "100%", "{x}", "中文", "a, b", "' or id != '"]


def unit(seed: int) -> NDArray[np.float32]:
    vector = np.random.default_rng(seed).normal(size=DIM).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def item(id: str, seed: int, **fields: Any) -> Item:
    return Item(id=id, object=f"o/{seed}.jpg", content_hash=f"{seed}", vector=unit(seed), **fields)


@pytest.fixture(scope="module")
def vectors(milvus_settings: MilvusSettings) -> Iterator[VectorDatabase]:
    database = VectorDatabase(milvus_settings(milvus_collection="servers"))
    yield database
    database.close()


@pytest.fixture(scope="module")
def collection(vectors: VectorDatabase) -> Collection:
    """1,500 items, published; the tests below write only what they remove again."""
    made = vectors.create(CollectionModel("model@12345678", DIM))
    vectors.upsert(made, [item(f"{number:04}", number, source="a" if number % 3 else "b") for number in range(1500)])
    vectors.publish(made)
    return made


def test_the_alias_leads_to_the_collection(vectors: VectorDatabase, collection: Collection) -> None:
    assert vectors.current() == collection
    assert vectors.collections() == [collection.name]
    assert vectors.count(collection) == 1500


def test_what_was_written_is_found_at_once(vectors: VectorDatabase, collection: Collection) -> None:
    for seed in range(5000, 5005):
        vectors.upsert(collection, [item("new", seed, title="new")])
        first = vectors.search(collection, unit(seed), limit=1)[0]
        assert (first.item.id, first.item.title) == ("new", "new")
        assert first.score == pytest.approx(1, abs=1e-5)
        assert [found.content_hash for found in vectors.get(collection, ["new"])] == [str(seed)]
        vectors.delete(collection, ["new"])
        assert vectors.get(collection, ["new"]) == []
        assert vectors.search(collection, unit(seed), limit=1)[0].item.id != "new"


def test_search_is_exact_enough_and_pages_without_a_seam(vectors: VectorDatabase, collection: Collection) -> None:
    query = unit(9000)
    scores = {f"{number:04}": float(unit(number) @ query) for number in range(1500)}
    exact = sorted(scores, key=lambda id: -scores[id])
    hits = vectors.search(collection, query, limit=100)
    assert len({hit.item.id for hit in hits} & set(exact[:100])) >= 98
    assert all(hit.score == pytest.approx(scores[hit.item.id], abs=1e-5) for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    pages = [vectors.search(collection, query, limit=25, offset=offset) for offset in (0, 25, 50, 75)]
    assert [hit.item.id for page in pages for hit in page] == [hit.item.id for hit in hits]
    deep = vectors.search(collection, query, limit=100, offset=1000)
    assert len(deep) == 100
    assert len({hit.item.id for hit in deep} & set(exact[1000:1100])) >= 90


def test_a_lowest_score_counts_before_the_offset(vectors: VectorDatabase, collection: Collection) -> None:
    query = unit(9001)
    hits = vectors.search(collection, query, limit=50)
    lowest = (hits[9].score + hits[10].score) / 2
    good = [hit.item.id for hit in hits[:10]]
    for offset in (0, 4, 10, 20):
        page = vectors.search(collection, query, limit=8, offset=offset, min_score=lowest)
        assert [hit.item.id for hit in page] == good[offset : offset + 8]


def test_items_come_back_as_they_went(vectors: VectorDatabase, collection: Collection) -> None:
    extra = {"n": 1, "price": 12.5, "big": 2**53 + 1, "sale": False, "note": 'a "b" \\ c', "key with spaces": "x"}
    whole = item("whole", 1, title="a título", category="dress", colour="red", gender="kids", source="s", extra=extra)
    vectors.upsert(collection, [whole, item("bare", 2)])
    back = {found.id: found for found in vectors.get(collection, ["whole", "bare", "none"], with_vector=True)}
    vectors.delete(collection, ["whole", "bare"])
    assert back["whole"].metadata() == whole.metadata()
    assert {type(value) for value in back["whole"].extra.values()} == {int, float, bool, str}
    assert back["bare"].metadata() == {}
    vector = back["whole"].vector
    assert vector is not None
    assert vector.dtype == np.float32
    assert np.array_equal(vector, unit(1))


def test_odd_ids_are_ids_like_others(vectors: VectorDatabase, collection: Collection) -> None:
    vectors.upsert(collection, [item(id, 7000 + seed) for seed, id in enumerate(ODD_IDS)])
    assert {found.id for found in vectors.get(collection, ODD_IDS)} == set(ODD_IDS)
    for id in ODD_IDS:
        assert [found.id for found in vectors.get(collection, [id])] == [id]
    pages = list(vectors.iterate(collection, batch=100))
    ids = [found.id for page in pages for found in page]
    assert sorted(ids) == sorted([f"{number:04}" for number in range(1500)] + ODD_IDS)
    assert {found.source for page in vectors.iterate(collection, source="b") for found in page} == {"b"}
    gone, kept = ODD_IDS[::2], ODD_IDS[1::2]
    for id in gone:
        vectors.delete(collection, [id])
    assert vectors.count(collection) == 1500 + len(kept)
    assert {found.id for found in vectors.get(collection, ODD_IDS)} == set(kept)
    vectors.delete(collection, kept)
    assert vectors.count(collection) == 1500


def test_facets_are_kept_and_read_again_only_when_they_changed(vectors: VectorDatabase, collection: Collection) -> None:
    assert vectors.facets(collection).total == 0
    first = count_facets(found for page in vectors.iterate(collection) for found in page)
    assert first.fields == {"source": [("a", 1000), ("b", 500)]}
    vectors.save_facets(collection, first)
    read = vectors.facets(collection)
    assert read == first
    assert vectors.facets(collection, read) is read
    second = count_facets([item("x", 1, category="dress"), item("y", 2, category="dress", extra={"n": 1})])
    vectors.save_facets(collection, second)
    assert vectors.facets(collection, read) == second
    # More than fits: the rarest values are left out, and the field is still there.
    long = count_facets(item(str(n), n, category=f"{n % 100:03}" + "x" * 2000) for n in range(300))
    vectors.save_facets(collection, long)
    kept = vectors.facets(collection)
    assert 10 < len(kept.fields["category"]) < 100
    assert kept.total == 300


def test_vectors_are_searched_by_the_index_for_their_server(
    milvus_settings: MilvusSettings, collection: Collection, request: pytest.FixtureRequest
) -> None:
    from pymilvus import MilvusClient

    client = MilvusClient(milvus_settings().milvus_uri)
    index = client.describe_index(collection.name, "vector")
    client.close()
    expected = {"lite": "FLAT", "full": "HNSW"}[request.node.callspec.params["milvus_settings"]]
    assert (index["index_type"], index["metric_type"]) == (expected, "COSINE")


def test_what_was_put_into_segments_is_all_there(vectors: VectorDatabase, collection: Collection) -> None:
    vectors.into_segments(collection)
    vectors.into_segments(collection)  # with nothing new to put there
    assert vectors.count(collection) == 1500
    for number in range(0, 1500, 100):
        first = vectors.search(collection, unit(number), limit=1)[0]
        assert first.item.id == f"{number:04}"
