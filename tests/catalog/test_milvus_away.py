"""Milvus stopped, hung, restarted, unreachable, unwilling: told in time, and used again when it is back."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import psutil
import pytest
from pydantic import SecretStr
from pymilvus import MilvusClient

from catalog.collections import Collection, CollectionModel
from catalog.errors import StoreRefused, StoreUnavailable
from catalog.facets import count_facets
from catalog.item import Item
from catalog.settings import StoreSettings
from catalog.vectors import VectorDatabase
from local.ports import HOST
from tests.full_milvus import FullMilvus
from tests.stack import Stores, pause, resume

T = TypeVar("T")

LIMIT = 1.0  # seconds that a look-up may take in these tests
SLACK = 1.5  # seconds that a busy machine may add
MODEL = CollectionModel("model@12345678", 4)
UNIT = np.array([0, 1, 0, 0], np.float32)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Servers of this file's own, which its tests stop and hang."""
    stores = Stores(tmp_path_factory.mktemp("away"))
    yield stores
    stores.stop()


@pytest.fixture
def vectors(own: Stores) -> Iterator[VectorDatabase]:
    database = VectorDatabase(own.settings(milvus_timeout=LIMIT))
    yield database
    database.close()


@pytest.fixture
def collection(vectors: VectorDatabase) -> Collection:
    made = vectors.create(MODEL)
    vectors.publish(made)
    vectors.upsert(made, [Item(id="a", object="a", content_hash="", vector=UNIT)])
    return made


def seconds_until_unavailable(call: Callable[[], object]) -> float:
    started = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        call()
    assert caught.value.part == "milvus"
    return time.monotonic() - started


def test_a_hung_server_holds_up_no_thread_longer_than_the_limit(
    own: Stores, vectors: VectorDatabase, collection: Collection
) -> None:
    fresh = VectorDatabase(own.settings(milvus_timeout=LIMIT))
    pause(own.milvus.pid)
    try:
        for database in (vectors, fresh):  # connected before, and not
            search = partial(database.search, collection, UNIT, limit=1)
            with ThreadPoolExecutor(16) as pool:
                assert max(pool.map(seconds_until_unavailable, [search] * 16)) < LIMIT + SLACK
    finally:
        resume(own.milvus.pid)
    for database in (vectors, fresh):
        assert eventually(partial(database.search, collection, UNIT, limit=1))[0].item.id == "a"
    fresh.close()


def test_a_stopped_server_is_told_at_once_and_a_restarted_one_used_at_once(
    own: Stores, vectors: VectorDatabase, collection: Collection
) -> None:
    own.milvus.kill()
    fresh = VectorDatabase(own.settings(milvus_timeout=LIMIT))  # nobody is there, and nothing is asked yet
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _: seconds_until_unavailable(vectors.current), range(32)))
    assert max(waits) < LIMIT + SLACK
    seconds_until_unavailable(fresh.current)
    own.start_milvus()
    # The first call of each finds it: the item is there, and the collection in memory again.
    for database in (vectors, fresh):
        assert database.current() == collection
        assert database.search(collection, UNIT, limit=1)[0].score > 0.999
    # A restart that nobody noticed costs no call either.
    own.milvus.stop()
    own.start_milvus()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: vectors.search(collection, UNIT, limit=1)[0].item.id, range(16)))
    assert found == ["a"] * 16
    fresh.close()


def test_reconnecting_leaks_nothing(own: Stores, vectors: VectorDatabase) -> None:
    vectors.current()
    process = psutil.Process()
    before: tuple[int, int] | None = None
    for round in range(6):
        own.milvus.kill()
        for _ in range(10):
            seconds_until_unavailable(vectors.current)
        own.start_milvus()
        vectors.current()
        now = (process.num_fds(), process.num_threads())
        if round == 1:
            before = now
    assert before is not None
    assert now[0] <= before[0] + 2
    assert now[1] <= before[1] + 2


def test_an_address_that_never_answers(own: Stores) -> None:
    with socket.socket() as silent:
        silent.bind((HOST, 0))
        silent.listen()
        vectors = VectorDatabase(own.settings(milvus_port=silent.getsockname()[1], milvus_timeout=LIMIT))
        assert seconds_until_unavailable(vectors.current) < LIMIT + SLACK
        vectors.close()


def test_the_full_server_restarted(tmp_path: Path) -> None:
    server = FullMilvus(tmp_path, authorization=True)
    try:
        vectors = VectorDatabase(_as("root", "Milvus", server))
        collection = vectors.create(MODEL)
        vectors.publish(collection)
        item = Item(id="a", object="a", content_hash="", colour="red", vector=UNIT)
        vectors.upsert(collection, [item])
        vectors.save_facets(collection, count_facets([item]))
        _check_least_privilege(server, collection)
        reader = VectorDatabase(_as("root", "Milvus", server))
        server.stop()
        seconds_until_unavailable(vectors.current)
        # Its collections come back to memory by themselves, after a while. Whoever asks before it has read its own log
        # again is told that it is away, and never that nothing is there.
        with ThreadPoolExecutor(1) as beside:
            first = beside.submit(eventually, lambda: _all_of(reader, "a"), seconds=90)
            server.start()
        assert first.result() == (collection, ["a"], ["a"], 1)
        found = eventually(lambda: vectors.search(collection, UNIT, limit=1), seconds=60)
        assert [hit.item.id for hit in found] == ["a"]
        vectors.close()
        reader.close()
    finally:
        server.stop()


def _all_of(vectors: VectorDatabase, id: str) -> tuple[Collection | None, list[str], list[str], int]:
    """What the alias leads to, and the ids found in it and counted; empty where nothing is there."""
    current = vectors.current()
    if current is None:
        return None, [], [], 0
    found = [hit.item.id for hit in vectors.search(current, UNIT, limit=1)]
    got = [item.id for item in vectors.get(current, [id])]
    return current, found, got, vectors.facets(current).total


def test_a_reader_asks_for_all_but_the_last_seconds_and_a_writer_for_what_it_wrote(
    own: Stores, vectors: VectorDatabase, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A Milvus that has just started may answer "Session" without what is only in its log, for a second or less, which
    # the test above meets one time in three: so here is looked at what is asked for.
    asked: list[str] = []
    for name in ("search", "query"):
        real = getattr(MilvusClient, name)

        def noted(self: MilvusClient, *arguments: object, _real: Any = real, **options: object) -> object:
            asked.append(str(options.get("consistency_level")))
            return _real(self, *arguments, **options)

        monkeypatch.setattr(MilvusClient, name, noted)
    reader = VectorDatabase(own.settings())
    assert _all_of(reader, "a")[:3] == (collection, ["a"], ["a"])
    assert set(asked) == {"Bounded"}
    asked.clear()
    vectors.search(collection, UNIT, limit=1)
    vectors.get(collection, ["a"])
    assert asked == ["Session", "Session"]
    reader.close()


def _check_least_privilege(server: FullMilvus, collection: Collection) -> None:
    """What the service's own user needs, and that it can do no more; wrong users are told as such."""
    for user, password in (("root", "wrong"), ("nobody", "x"), ("", "")):
        with pytest.raises(StoreRefused, match="MILVUS_PASSWORD"):
            VectorDatabase(_as(user, password, server)).current()
    admin = MilvusClient(f"http://{HOST}:{server.port}", user="root", password="Milvus")
    admin.create_user("service", "Secret-12")
    admin.create_role("searcher")
    admin.grant_role("service", "searcher")
    for kind, privilege in (
        ("Global", "DescribeAlias"),
        ("Global", "DescribeCollection"),
        ("Collection", "Search"),
        ("Collection", "Query"),
    ):
        admin.grant_privilege("searcher", kind, privilege, "*")
    service = VectorDatabase(_as("service", "Secret-12", server))
    eventually_allowed(lambda: service.search(collection, UNIT, limit=1))
    time.sleep(2)  # what another connection wrote is seen a moment later
    assert service.current() == collection
    assert service.facets(collection).total == 1
    assert [found.id for found in service.get(collection, ["a"])] == ["a"]
    with pytest.raises(StoreRefused, match="'service' may not do this"):
        service.upsert(collection, [Item(id="b", object="b", content_hash="", vector=UNIT)])
    with pytest.raises(StoreRefused, match="'service' may not do this"):
        service.delete(collection, ["a"])
    with pytest.raises(StoreRefused, match="'service' may not do this"):
        service.drop("another")
    service.close()
    admin.close()


def _as(user: str, password: str, server: FullMilvus) -> StoreSettings:
    return StoreSettings(
        _env_file=None,
        milvus_port=server.port,
        milvus_user=user,
        milvus_password=SecretStr(password),
        milvus_timeout=5,
    )


def eventually(call: Callable[[], T], *, seconds: float = 15) -> T:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except StoreUnavailable:
            assert time.monotonic() < deadline, "Milvus did not come back in time"
            time.sleep(0.2)


def eventually_allowed(call: Callable[[], object]) -> None:
    """Milvus hands granted privileges on to its proxies after a moment."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        with contextlib.suppress(StoreRefused):
            call()
            return
        time.sleep(0.2)
    call()
