from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.collections import Collection
from catalog.images import ImageStore
from catalog.vectors import VectorDatabase
from tests.etl.proof.place import photos_of, write_folder
from tests.stack import SAMPLE, System

PHOTOS = photos_of(SAMPLE, 4)


@pytest.fixture
def shop(system: System, tmp_path: Path) -> Path:
    folder = write_folder(PHOTOS, tmp_path / "to-rebuild")
    system.etl("run", str(folder), "--id-prefix", "rebuilt:")
    return folder


@pytest.fixture
def vectors(system: System) -> Iterator[VectorDatabase]:
    database = VectorDatabase(system.stores.settings())
    yield database
    database.close()


def test_the_search_goes_on_while_all_is_encoded_anew(system: System, vectors: VectorDatabase, shop: Path) -> None:
    old = collection_of(vectors).name
    before = metadata(vectors)
    ended = threading.Event()
    answers: list[tuple[int, bool]] = []

    def search() -> None:
        with system.client() as api:
            while not ended.wait(0.02):
                answer = api.post("/search-image", json={"query": "jacket", "top_k": 100})
                answers.append((answer.status_code, len(answer.json().get("results", ())) == len(before)))

    searching = threading.Thread(target=search)
    searching.start()
    try:
        rebuilt = system.etl("rebuild")
    finally:
        ended.set()
        searching.join()
    assert len(answers) > 1
    assert set(answers) == {(200, True)}

    new = collection_of(vectors).name
    assert new != old
    assert set(vectors.collections()) == {old, new}
    assert f"{old} is kept" in rebuilt.stdout
    assert metadata(vectors) == before
    with system.client() as api:
        assert api.get("/facets").json()["total"] == len(before)

    # What was loaded is known of the new one too: photos that look as they did are not even read.
    for photo in shop.rglob("*.jpg"):
        status = photo.stat()
        photo.write_bytes(b"x" * status.st_size)
        os.utime(photo, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert f"{len(PHOTOS)} unchanged" in system.etl("run", str(shop), "--id-prefix", "rebuilt:").stdout
    assert f"to-rebuild  {len(PHOTOS)} items" in system.etl("status").stdout

    # Back to the old one, and away with the one that is not searched then.
    assert system.etl("rebuild", "--switch-to", old).stdout.strip() == f"{old} is searched"
    assert system.etl("delete", "--old-collections", "--yes").stdout.strip() == f"removed: {new}"
    assert (collection_of(vectors).name, vectors.collections()) == (old, [old])


def metadata(vectors: VectorDatabase) -> dict[str, dict[str, Any]]:
    """All that people see of the collection that is searched."""
    return {item.id: item.metadata() for page in vectors.iterate(collection_of(vectors)) for item in page}


def collection_of(vectors: VectorDatabase) -> Collection:
    found = vectors.current()
    assert found is not None
    return found


@pytest.mark.usefixtures("shop")
def test_a_collection_that_is_not_whole_is_not_searched(system: System, vectors: VectorDatabase) -> None:
    old = collection_of(vectors).name
    images = ImageStore(system.stores.settings())
    (item,) = vectors.get(collection_of(vectors), [f"rebuilt:{next(iter(PHOTOS))}"])
    content = images.get(item.object)
    images.remove([item.object])
    failed = system.etl("rebuild", check=False)
    assert failed.returncode == 1
    assert f"more than --max-failures; {old} is searched as before" in failed.stderr
    assert collection_of(vectors).name == old

    # Mended, it is taken up where it ended: only the missing photo is encoded.
    images.put(item.object, content, "image/jpeg")
    again = system.etl("rebuild", "--remove-old")
    assert "rebuild: 1 encoded" in again.stdout
    assert vectors.collections() == [collection_of(vectors).name] != [old]
