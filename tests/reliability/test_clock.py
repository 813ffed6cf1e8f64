"""A clock that jumps, and links that expired. Only the service's clock is moved (libfaketime), the store's is right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.reliability.clock import FAKETIME, Clock
from tests.reliability.conftest import EXPIRES
from tests.reliability.shots import Day
from tests.reliability.traffic import Traffic, statuses
from tests.stack import System

SOON = 60.0  # seconds; a busy machine may take them


@pytest.fixture
def api(patient: System, clock: Clock) -> Iterator[httpx.Client]:
    """A client of the service, whose clock is right when a test begins and ends."""
    if FAKETIME is None:
        pytest.skip("libfaketime is not installed (Debian: faketime)")
    with patient.client() as client:
        wait_for(lambda: client.get("/readyz").status_code == 200)
        yield client
        goes_wrong_by(0, clock, client)


def wait_for(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def link(api: httpx.Client) -> str:
    return str(api.get("/items/a").json()["url"])


def wrong_by(url: str) -> float:
    """Seconds that the clock was wrong by which the link was signed."""
    (signed,) = parse_qs(urlsplit(url).query)["X-Amz-Date"]
    return (datetime.strptime(signed, "%Y%m%dT%H%M%S%z") - datetime.now(UTC)).total_seconds()


def goes_wrong_by(offset: int, clock: Clock, api: httpx.Client) -> None:
    """Set the service's clock, and wait until it goes so."""
    clock.set(offset)
    wait_for(lambda: abs(wrong_by(link(api)) - offset) < SOON)


def opens(url: str) -> int:
    return httpx.get(url, trust_env=False).status_code


def test_an_expired_link_is_refused_and_a_fresh_one_is_to_be_had(api: httpx.Client, clock: Clock) -> None:
    goes_wrong_by(-2 * EXPIRES, clock, api)
    old = link(api)  # as if it had been made then
    assert opens(old) == 403
    goes_wrong_by(0, clock, api)
    assert opens(link(api)) == 200


def test_a_clock_that_jumps_fails_no_request(patient: System, api: httpx.Client, clock: Clock) -> None:
    with Traffic(patient.url, Day().words, per_second=3) as traffic:
        for offset in (600, -600):
            goes_wrong_by(offset, clock, api)
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
