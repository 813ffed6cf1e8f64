"""A clock that jumps, and links that expired. Only the service's clock is moved (libfaketime), the store's is right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.reliability.shots import Day
from tests.reliability.traffic import Traffic, statuses
from tests.stack import SAMPLE, Stores, System

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
EXPIRES = 120  # seconds
SOON = 60.0  # seconds; a busy machine may take them


class Clock:
    """Of the service; it goes wrong by `offset` seconds."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(0)

    def set(self, offset: int) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"{offset:+}")
        fresh.replace(self.file)  # never read half written


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock") / "offset")


@pytest.fixture(scope="module")
def jumping(tmp_path_factory: pytest.TempPathFactory, stores: Stores, clock: Clock) -> Iterator[System]:
    """A service of its own, for it is started with the library; the stores are the shared ones."""
    if FAKETIME is None:
        pytest.skip("libfaketime is not installed (Debian: faketime)")
    running = System(
        tmp_path_factory.mktemp("jumping"),
        load=False,
        stores=stores,
        MILVUS_COLLECTION="clock",
        MINIO_BUCKET_NAME="clock",
        PRESIGN_EXPIRES=str(EXPIRES),
        PART_TIMEOUT="5",
        LD_PRELOAD=str(FAKETIME),
        FAKETIME_TIMESTAMP_FILE=str(clock.file),
        FAKETIME_NO_CACHE="1",
        # What waits and measures goes by the monotonic clock, which no administrator can move.
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    for name in ("LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE"):
        del running.env[name]  # the load's clock is right
    running.etl("run", str(SAMPLE))
    running.wait_for_items(120)
    yield running
    running.stop()


@pytest.fixture
def api(jumping: System, clock: Clock) -> Iterator[httpx.Client]:
    """A client of the service, whose clock is right when a test begins and ends."""
    clock.set(0)
    with jumping.client() as client:
        wait_for(lambda: client.get("/readyz").status_code == 200)
        yield client
    clock.set(0)


def wait_for(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def link(api: httpx.Client) -> str:
    return str(api.get("/items/images/055-jacket-black").json()["url"])


def wrong_by(url: str) -> float:
    """Seconds that the clock was wrong by which the link was signed."""
    (signed,) = parse_qs(urlsplit(url).query)["X-Amz-Date"]
    return (datetime.strptime(signed, "%Y%m%dT%H%M%S%z") - datetime.now(UTC)).total_seconds()


def opens(url: str) -> int:
    return httpx.get(url, trust_env=False).status_code


def test_an_expired_link_is_refused_and_a_fresh_one_is_to_be_had(api: httpx.Client, clock: Clock) -> None:
    clock.set(-2 * EXPIRES)
    old = link(api)  # as if it had been made then
    assert opens(old) == 403
    clock.set(0)
    assert opens(link(api)) == 200


def test_a_clock_that_jumps_fails_no_request(jumping: System, api: httpx.Client, clock: Clock) -> None:
    with Traffic(jumping.url, Day().words, per_second=3) as traffic:
        for offset in (600, -600):
            clock.set(offset)
            assert abs(wrong_by(link(api)) - offset) < SOON
            time.sleep(1.5)  # at least two looks at each part
            assert api.get("/readyz").status_code == 200
        # Signatures of another hour are refused by every store: the instance says so, and goes on searching.
        clock.set(3600)
        wait_for(lambda: api.get("/readyz").json()["parts"]["store"] is False)
        assert api.get("/readyz").status_code == 503
        told = time.monotonic()
        wait_for(lambda: any(answer.sent > told for answer in traffic.answers()))
        clock.set(0)
        wait_for(lambda: api.get("/readyz").status_code == 200)
        assert opens(link(api)) == 200
    assert statuses(traffic.answers()).keys() == {200}
