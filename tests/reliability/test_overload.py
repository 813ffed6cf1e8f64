"""The short form of `make overload`: what is answered; latencies and memory are measured by the long one."""

from __future__ import annotations

from tests.reliability.flood import flooded, start_flood
from tests.reliability.overload import Watch
from tests.stack import System

PER_SECOND = 600.0  # more than any machine that runs the suite can serve, half of it by photo


def test_what_cannot_be_served_is_refused_and_the_rest_is_served(system: System) -> None:
    with Watch(system) as during:
        flood = flooded(start_flood(system.url, per_second=PER_SECOND, seconds=3))
    assert set(flood.statuses) - {"503"} == {"200", "429"}, flood.statuses
    assert not flood.troubles
    assert sum(flood.statuses.values()) == flood.sent
    # Whether it is ready may change on a machine that is also flooded with the requests themselves.
    assert {what for what in during.statuses if not what.startswith("/readyz")} == {"/livez 200", "/metrics 200"}
    assert {what for what in during.statuses if what.startswith("/readyz")} <= {"/readyz 200", "/readyz 503"}


def test_after_it_all_is_as_before(system: System) -> None:
    with system.client() as api:
        found = api.post("/search-image", json={"query": "black leather jacket", "top_k": 5})
        assert found.status_code == 200
        assert len(found.json()["results"]) == 5
