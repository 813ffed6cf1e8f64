from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.errors import InvalidFilter, UnknownFilter
from catalog.filters import build_filter
from catalog.item import Item
from catalog.vectors import Collection, CollectionModel, VectorDatabase
from tests.stack import Stores

FIELDS = ("colour", "size", "in", "sale")
UNIT = np.array([1, 0, 0, 0], np.float32)


@pytest.fixture(scope="module")
def shelf(stores: Stores) -> Iterator[tuple[VectorDatabase, Collection]]:
    """Three items that every filter below must tell apart, or leave alone."""
    vectors = VectorDatabase(stores.settings(milvus_collection="filters"))
    collection = vectors.create(CollectionModel("m@1", 4))
    items = [
        Item(
            id="a", object="a", content_hash="", colour="red", vector=UNIT, extra={"size": 38, "in": "x", "sale": True}
        ),
        Item(
            id="b", object="b", content_hash="", colour='a "b" \\ c', vector=UNIT, extra={"size": 38.5, "sale": False}
        ),
        Item(id="c", object="c", content_hash="", vector=UNIT, extra={"size": "XL"}),
    ]
    vectors.upsert(collection, items)
    yield vectors, collection
    vectors.close()


def found(shelf: tuple[VectorDatabase, Collection], filters: dict[str, object], **more: object) -> set[str]:
    vectors, collection = shelf
    hits = vectors.search(collection, UNIT, limit=10, filters=filters, fields=FIELDS, **more)  # type: ignore[arg-type]
    return {hit.item.id for hit in hits}


def test_values_of_every_kind(shelf: tuple[VectorDatabase, Collection]) -> None:
    assert found(shelf, {}) == {"a", "b", "c"}
    assert found(shelf, {"colour": "red"}) == {"a"}
    assert found(shelf, {"colour": 'a "b" \\ c'}) == {"b"}
    assert found(shelf, {"size": [38, "XL"]}) == {"a", "c"}
    assert found(shelf, {"size": 38.5}) == {"b"}
    assert found(shelf, {"in": "x"}) == {"a"}  # a name that is a keyword of Milvus' own language
    assert found(shelf, {"sale": False}) == {"b"}
    assert found(shelf, {"sale": True, "colour": "red"}) == {"a"}
    assert found(shelf, {"sale": True, "size": "XL"}) == set()
    assert found(shelf, {}, leave_out="b") == {"a", "c"}


def test_a_hundred_values(shelf: tuple[VectorDatabase, Collection]) -> None:
    assert found(shelf, {"colour": [f"no {number}" for number in range(99)] + ["red"]}) == {"a"}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40), st.sampled_from(["colour", "in"]))
def test_no_text_breaks_out(shelf: tuple[VectorDatabase, Collection], text: str, field: str) -> None:
    try:
        matches = found(shelf, {field: text})
    except InvalidFilter:
        return
    assert matches <= ({"a"} if text in ("red", "x") else {"b"} if text == 'a "b" \\ c' else set())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers() | st.floats(allow_nan=True) | st.booleans() | st.none() | st.lists(st.none(), min_size=1))
def test_no_value_is_more_than_a_value(shelf: tuple[VectorDatabase, Collection], value: object) -> None:
    with suppress(InvalidFilter):
        assert found(shelf, {"size": value}) <= {"a", "b"}


@pytest.mark.parametrize("value", ["", [], None, {}, [["x"]], "a\nb", "\ud800", float("inf"), 2**63, ["x"] * 101])
def test_values_that_cannot_be_compared(value: object) -> None:
    with pytest.raises(InvalidFilter):
        build_filter({"size": value}, FIELDS)


def test_texts_are_compared_with_texts() -> None:
    with pytest.raises(InvalidFilter, match="quotes"):
        build_filter({"colour": 5}, FIELDS)


def test_a_field_that_is_no_filter_is_named() -> None:
    with pytest.raises(UnknownFilter) as caught:
        build_filter({'colour" or 1==1': "x"}, FIELDS)
    assert caught.value.known == sorted(FIELDS)
