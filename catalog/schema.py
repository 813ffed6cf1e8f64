"""The two kinds of collections: items, and what is kept beside them."""

from __future__ import annotations

from typing import Any

from pymilvus import DataType, MilvusClient

from catalog.item import MAX_HASH, MAX_ID, MAX_OBJECT, MAX_TEXT, TEXT_FIELDS

WRITE_TIMEOUT = 30.0  # seconds; a batch of upserts, or making a collection and loading it

ITEM_FIELDS = ["id", "object", "content_hash", *TEXT_FIELDS, "$meta"]
"""All of an item but its vector; `$meta` brings the catalogue's own fields."""

MAX_NOTE = 65_535
"""Longest text beside a collection, in bytes; Milvus takes no longer ones."""

# HNSW: degree 32 and a build breadth of 200 give recall@10 >= 0.98 at a million items.
_INDEX: dict[str, Any] = {"index_type": "HNSW", "params": {"M": 32, "efConstruction": 200}}

# Milvus Lite builds an index for a handful of items too, where a graph now and then leaves one out that nothing leads
# to: it would never be found (Milvus itself compares fewer than 1,024 one by one). Comparing all is exact, and in Lite
# faster than its graph but for filtered searches among 100,000, see docs/performance.md.
_INDEX_OF_LITE: dict[str, Any] = {"index_type": "FLAT", "params": {}}

# Session: who writes sees its own writes at once; what one that only reads asks for instead is told in
# `MilvusConnection.consistency`. Strong would make each search of Milvus 2.3 wait 200 ms.
_CONSISTENCY = "Session"


def is_lite(client: MilvusClient) -> bool:
    """Whether Milvus Lite answers. A whole Milvus out of a Python package says "v2.3.5-lite", and is none."""
    return str(client.get_server_version(timeout=WRITE_TIMEOUT)).startswith("milvus_lite")


def make_items(client: MilvusClient, name: str, dim: int) -> None:
    """Make and load an empty collection of items with vectors of `dim` numbers."""
    how = _INDEX_OF_LITE if is_lite(client) else _INDEX
    schema = client.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=MAX_ID)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    schema.add_field("object", DataType.VARCHAR, max_length=MAX_OBJECT)
    schema.add_field("content_hash", DataType.VARCHAR, max_length=MAX_HASH)
    for field in TEXT_FIELDS:
        schema.add_field(field, DataType.VARCHAR, max_length=MAX_TEXT)
    index = client.prepare_index_params()
    index.add_index("vector", metric_type="COSINE", **how)
    client.create_collection(
        name, schema=schema, index_params=index, consistency_level=_CONSISTENCY, timeout=WRITE_TIMEOUT
    )


def make_notes(client: MilvusClient, name: str) -> None:
    """Make and load an empty collection of notes: a key and a text each."""
    schema = client.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=64)
    schema.add_field("value", DataType.VARCHAR, max_length=MAX_NOTE)
    schema.add_field("nothing", DataType.FLOAT_VECTOR, dim=2)  # a collection must have a vector
    index = client.prepare_index_params()
    index.add_index("nothing", index_type="FLAT", metric_type="L2")
    client.create_collection(
        name, schema=schema, index_params=index, consistency_level=_CONSISTENCY, timeout=WRITE_TIMEOUT
    )
