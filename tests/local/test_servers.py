"""The stack's own servers: they keep what they were given, and go when they are told to."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from catalog.collections import Collection, CollectionModel
from catalog.images import ImageStore
from catalog.item import Item
from catalog.vectors import VectorDatabase
from local.processes import Child, ChildFailed
from local.servers import start_milvus_lite
from tests.stack import Stores

DIM, BATCH, BATCHES = 64, 32, 60


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stores]:
    stores = Stores(tmp_path)
    yield stores
    stores.stop()


def batch(number: int) -> list[Item]:
    vectors = np.random.default_rng(number).normal(size=(BATCH, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    first = number * BATCH
    return [
        Item(id=f"{first + n}", object=f"{first + n}.jpg", content_hash=f"{first + n}", title="t" * 300, vector=vector)
        for n, vector in enumerate(vectors)
    ]


def contents(vectors: VectorDatabase, collection: Collection) -> dict[str, str]:
    return {item.id: item.content_hash for page in vectors.iterate(collection) for item in page}


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_what_many_writers_were_told_is_there_after_the_end(own: Stores, how: str) -> None:
    vectors = VectorDatabase(own.settings())
    collection = vectors.create(CollectionModel("m@1", DIM))
    query = batch(0)[0].vector
    assert query is not None
    with ThreadPoolExecutor(8) as pool:
        writes: list[Callable[[], object]] = [
            partial(vectors.upsert, collection, batch(number)) for number in range(BATCHES)
        ]
        reads: list[Callable[[], object]] = [lambda: vectors.search(collection, query, limit=5)] * (BATCHES // 4)
        for done in [pool.submit(call) for pair in zip(writes[::2], writes[1::2], strict=True) for call in pair] + [
            pool.submit(call) for call in reads
        ]:
            done.result()
    written = {f"{number}": f"{number}" for number in range(BATCHES * BATCH)}
    assert contents(vectors, collection) == written
    own.milvus.kill() if how == "killed" else own.milvus.stop()
    own.start_milvus()
    # Everything is in memory before the first request comes, and many at once do no harm.
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: vectors.search(collection, query, limit=1)[0].item.id, range(16)))
    assert found == ["0"] * 16
    assert contents(vectors, collection) == written
    vectors.close()


def test_photos_are_there_after_a_kill(own: Stores) -> None:
    images = ImageStore(own.settings())
    images.ensure_bucket()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: images.put(f"s/{number}.jpg", b"%d" % number * 5000, "image/jpeg"), range(64)))
    own.s3.kill()
    own.start_s3()
    assert all(images.get(f"s/{number}.jpg") == b"%d" % number * 5000 for number in range(64))


@pytest.mark.parametrize("kind", ["mem", "vlog"])
def test_the_store_starts_after_a_kill_while_it_made_a_log(own: Stores, kind: str) -> None:
    images = ImageStore(own.settings())
    images.ensure_bucket()
    images.put("s/1.jpg", b"1", "image/jpeg")
    own.s3.kill()
    logs = sorted((own.folder / "s3" / "meta").glob(f"*.{kind}"))
    following = f"{int(logs[-1].stem) + 1:0{len(logs[-1].stem)}}.{kind}"
    logs[-1].with_name(following).touch()
    own.start_s3()
    assert images.get("s/1.jpg") == b"1"


def test_the_store_starts_after_its_making_left_an_empty_log(own: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen once, after a kill: `juicefs format` ended well, and what it left could not be opened."""
    own.s3.kill()
    meta = own.folder / "s3" / "meta"
    run = subprocess.run

    def leaving_one(*arguments: Any, **named: Any) -> Any:
        done = run(*arguments, **named)
        left.append(meta / f"{max(int(log.stem) for log in meta.glob('*.mem')) + 1:05}.mem")
        left[-1].touch()
        return done

    left: list[Path] = []
    monkeypatch.setattr(subprocess, "run", leaving_one)
    own.start_s3()
    assert left
    ImageStore(own.settings()).ensure_bucket()


@pytest.mark.parametrize("paused", [False, True])
def test_stopping_a_server_leaves_nothing(own: Stores, paused: bool) -> None:
    for child in (own.milvus, own.s3):
        process = psutil.Process(child.pid)
        family = [process, *process.children(recursive=True)]
        if paused:
            process.send_signal(signal.SIGSTOP)
        child.stop()
        assert not [one for one in family if one.is_running()]


def test_a_server_that_cannot_start_says_why_and_is_gone(own: Stores, tmp_path: Path) -> None:
    # Other tests' servers are children of this process too.
    before = {child.pid for child in psutil.Process().children()}
    with pytest.raises(ChildFailed, match=r"Milvus ended while starting: .*log: .*milvus\.log"):
        start_milvus_lite(tmp_path / "milvus", own.milvus_port + 1)  # its data belongs to the one that runs
    assert own.milvus.pid in before
    assert {child.pid for child in psutil.Process().children()} <= before


def test_who_is_told_to_end_while_a_child_starts_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen.__init__

    def interrupted(self: subprocess.Popen[bytes], *arguments: object, **named: object) -> None:
        start(self, *arguments, **named)  # type: ignore[call-overload]  # whatever the child asks for
        started.append(self.pid)
        signal.raise_signal(signal.SIGINT)  # before anybody holds the child

    started: list[int] = []
    monkeypatch.setattr(subprocess.Popen, "__init__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Child("a sleeper", ["sleep", "600"], env={}, log=tmp_path / "log")
    assert started
    assert not psutil.pid_exists(started[0])
