"""Filters against both servers: each value finds what it should, and nothing breaks out of its quotes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog.collections import Collection, CollectionModel
from catalog.errors import InvalidFilter, UnknownFilter
from catalog.filters import build_filter
from catalog.item import Item
from catalog.vectors import VectorDatabase
from tests.catalog.conftest import MilvusSettings

ODD_FIELD = "a \"b\" in [\\] or id != ''"
FIELDS = ("colour", "size", "in", "sale", ODD_FIELD)
UNIT = np.array([1, 0, 0, 0], np.float32)
QUOTED = "a \"b\" \\ 'c' %s {query} 中\N{GRINNING FACE}"

Shelf = tuple[VectorDatabase, Collection]
# Pieces that mean something in Milvus' language, or in one that it is written in.
TEXTS = st.lists(
    st.sampled_from(['"', "'", "\\", "\\\\", '\\"', "\\u0041", "{", "}", "%", "[", "$meta", " or ", "id", "!=", "true"])
    | st.text(max_size=5),
    max_size=8,
).map("".join)


@pytest.fixture(scope="module")
def shelf(milvus_settings: MilvusSettings) -> Iterator[Shelf]:
    """Three items that every filter below must tell apart, or leave alone."""
    vectors = VectorDatabase(milvus_settings(milvus_collection="filters"))
    collection = vectors.create(CollectionModel("m@1", 4))
    extras: list[dict[str, Any]] = [
        {"size": 38, "in": "x", "sale": True, ODD_FIELD: "odd"},
        {"size": 38.5, "sale": False},
        {"size": "XL"},
    ]
    vectors.upsert(
        collection,
        [
            Item(id=id, object=id, content_hash="", colour=colour, vector=UNIT, extra=extra)
            for id, colour, extra in zip("abc", ("red", QUOTED, None), extras, strict=True)
        ],
    )
    yield vectors, collection
    vectors.close()


def found(shelf: Shelf, filters: Mapping[str, object], *, leave_out: str | None = None) -> set[str]:
    vectors, collection = shelf
    hits = vectors.search(collection, UNIT, limit=10, filters=filters, fields=FIELDS, leave_out=leave_out)
    return {hit.item.id for hit in hits}


def test_values_of_every_kind(shelf: Shelf) -> None:
    assert found(shelf, {}) == {"a", "b", "c"}
    assert found(shelf, {"colour": "red"}) == {"a"}
    assert found(shelf, {"colour": QUOTED}) == {"b"}
    assert found(shelf, {"size": [38, "XL"]}) == {"a", "c"}
    assert found(shelf, {"size": 38.0}) == {"a"}
    assert found(shelf, {"size": 38.5}) == {"b"}
    assert found(shelf, {"size": "38"}) == set()
    assert found(shelf, {"in": "x"}) == {"a"}  # a name that is a keyword of Milvus' own language
    assert found(shelf, {ODD_FIELD: "odd"}) == {"a"}
    assert found(shelf, {"sale": False}) == {"b"}
    assert found(shelf, {"sale": True, "colour": "red"}) == {"a"}
    assert found(shelf, {"sale": True, "size": "XL"}) == set()
    assert found(shelf, {}, leave_out="b") == {"a", "c"}
    assert found(shelf, {"colour": ["red", QUOTED]}, leave_out="b") == {"a"}


def test_a_hundred_values_for_each_of_several_fields(shelf: Shelf) -> None:
    many = [f"no {number}" for number in range(99)]
    assert found(shelf, {"colour": [*many, "red"], "in": [*many, "x"], "size": [*many, 38]}) == {"a"}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, st.sampled_from(["colour", "in", "size", ODD_FIELD]))
def test_no_text_breaks_out(shelf: Shelf, text: str, field: str) -> None:
    values: dict[str, dict[object, str]] = {
        "colour": {"red": "a", QUOTED: "b"},
        "in": {"x": "a"},
        "size": {"XL": "c"},
        ODD_FIELD: {"odd": "a"},
    }
    with suppress(InvalidFilter):
        assert found(shelf, {field: text}) == set(values[field].get(text, ""))
        assert found(shelf, {field: [text, "no such value"]}) == set(values[field].get(text, ""))
        assert found(shelf, {}, leave_out=text) == {"a", "b", "c"} - {text}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers() | st.floats(allow_nan=True) | st.booleans() | st.none() | st.lists(st.none(), min_size=1))
def test_no_value_is_more_than_a_value(shelf: Shelf, value: object) -> None:
    sizes: dict[object, set[str]] = {38.0: {"a"}, 38.5: {"b"}}
    with suppress(InvalidFilter):
        assert found(shelf, {"size": value}) == sizes.get(value, set())


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_ids_are_only_ids(shelf: Shelf, ids: list[str]) -> None:
    vectors, collection = shelf
    there = {"a", "b", "c"}
    assert {item.id for item in vectors.get(collection, [*ids, "b"])} == {*ids, "b"} & there
    if others := [id for id in ids if id not in there]:
        vectors.delete(collection, others)
        assert found(shelf, {}) == there


@pytest.mark.parametrize(
    "value", ["", [], None, {}, [["x"]], "a\nb", "a\0b", "\ud800", float("inf"), float("nan"), 2**63, ["x"] * 101]
)
def test_values_that_cannot_be_compared(value: object) -> None:
    with pytest.raises(InvalidFilter):
        build_filter({"size": value}, FIELDS)


def test_texts_are_compared_with_texts() -> None:
    for value in (5, 1.5, True, [1, "red"]):
        with pytest.raises(InvalidFilter, match="quotes"):
            build_filter({"colour": value}, FIELDS)


def test_a_field_that_is_no_filter_is_named() -> None:
    for field in ('colour" or 1==1', "id", "vector", "$meta", ""):
        with pytest.raises(UnknownFilter) as caught:
            build_filter({field: "x"}, FIELDS)
        assert caught.value.field == field
        assert caught.value.known == sorted(FIELDS)
