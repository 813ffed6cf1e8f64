"""A clock that jumps, and links that expired. Only the service's clock is moved (libfaketime), the store's is right."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.reliability.shots import Day, photos
from tests.reliability.traffic import Traffic, statuses
from tests.stack import System

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
EXPIRES = 3  # seconds


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("clock") / "offset"
    file.write_text("+0")
    return file


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, clock: Path) -> Iterator[System]:
    if FAKETIME is None:
        pytest.skip("libfaketime is not installed (Debian: faketime)")
    folder = tmp_path_factory.mktemp("jumps")
    running = System(
        folder,
        load=False,
        PRESIGN_EXPIRES=str(EXPIRES),
        LD_PRELOAD=str(FAKETIME),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        # What waits and measures goes by the monotonic clock, which no administrator can move.
        DONT_FAKE_MONOTONIC="1",
    )
    (folder / "one").mkdir()
    (folder / "one" / "images").mkdir()
    (folder / "one" / "images" / "055-jacket-black.jpg").write_bytes(photos()[0])
    (folder / "one" / "images" / "001-t-shirt-blue.jpg").write_bytes(photos()[1])
    for name in ("LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE"):
        del running.env[name]  # the load's clock is right
    running.etl("run", str(folder / "one"))
    running.wait_for_items(2)
    yield running
    running.stop()


def link(api: httpx.Client) -> str:
    found = api.post("/search-image", json={"query": "jacket"}).json()["results"]
    return str(found[0]["url"])


def opens(url: str) -> int:
    return httpx.get(url, trust_env=False).status_code


def wait_ready(api: httpx.Client, status: int) -> float:
    """Seconds until `/readyz` answers so."""
    began = time.monotonic()
    while api.get("/readyz").status_code != status:
        assert time.monotonic() < began + 10
        time.sleep(0.05)
    return time.monotonic() - began


def test_an_expired_link_is_refused_and_a_fresh_one_is_to_be_had(system: System) -> None:
    with system.client() as api:
        old = link(api)
        assert opens(old) == 200
        time.sleep(EXPIRES + 1)
        assert opens(old) == 403
        assert opens(api.get("/items/images/055-jacket-black").json()["url"]) == 200


def test_a_clock_that_jumps_fails_no_request(system: System, clock: Path) -> None:
    day = Day()
    with system.client() as api, Traffic(system.url, day.words, per_second=3) as traffic:
        for offset in ("+120", "-120", "+0"):
            clock.write_text(offset)
            time.sleep(1.5)
            assert api.get("/readyz").status_code == 200
        # Signatures of another hour are refused by every store: the instance says so, and goes on searching.
        clock.write_text("+3600")
        assert wait_ready(api, 503) < 5
        assert api.get("/readyz").json()["parts"]["store"] is False
        clock.write_text("+0")
        assert wait_ready(api, 200) < 5
        assert opens(link(api)) == 200
    assert statuses(traffic.answers()).keys() == {200}
