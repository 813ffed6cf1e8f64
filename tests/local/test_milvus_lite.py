"""What `local.milvus_lite` changes in Milvus Lite: rows stay in sight while they become a segment."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from milvus_lite import db
from milvus_lite.engine.collection import Collection
from milvus_lite.schema.types import CollectionSchema, DataType, FieldSchema

from local.milvus_lite import _WholeWhileFlushed

ROWS = [{"id": str(number), "vector": [1.0, 0.0, 0.0, number]} for number in range(3)]


def found_during_a_compaction(folder: Path, kind: type) -> int:
    """The fewest rows that queries find while a flush waits for the lock that a compaction holds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(db, "Collection", kind)
        database = db.MilvusLite(str(folder))
        schema = CollectionSchema(
            [
                FieldSchema("id", DataType.VARCHAR, is_primary=True, max_length=8),
                FieldSchema("vector", DataType.FLOAT_VECTOR, dim=4),
            ]
        )
        collection = database.create_collection("items", schema)
    collection.insert(ROWS)
    flushing = threading.Thread(target=collection.flush, daemon=True)
    with collection._maintenance_lock:
        flushing.start()
        found, end = len(ROWS), time.monotonic() + 2
        while found and time.monotonic() < end:
            found = min(found, len(collection.query()))
            time.sleep(0.02)
    flushing.join()
    assert len(collection.query()) == len(ROWS)
    database.close()
    return found


def test_a_search_misses_no_row_while_a_flush_waits(tmp_path: Path) -> None:
    assert found_during_a_compaction(tmp_path / "ours", _WholeWhileFlushed) == len(ROWS)


def test_milvus_lite_still_needs_that(tmp_path: Path) -> None:
    """Once it fails, `_WholeWhileFlushed` can go."""
    assert found_during_a_compaction(tmp_path / "its own", Collection) == 0
