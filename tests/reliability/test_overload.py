"""The short form of `make overload`: what is bounded stays so; latencies and memory are measured by the long one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reliability.overload import overload
from tests.stack import System

LIMIT = 16


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = System(tmp_path_factory.mktemp("overload"), LOG_LEVEL="WARNING", MAX_CONCURRENCY=str(LIMIT))
    yield running
    running.stop()


def test_what_cannot_be_served_is_refused_and_the_rest_is_served(system: System) -> None:
    done = overload(system, in_flight=LIMIT, seconds=5, measure=4)
    assert set(done.flood.statuses) == {"200", "429"}, str(done)
    assert not done.flood.troubles
    assert done.flood.statuses["429"] > done.flood.statuses["200"]
    assert all(what.endswith(" 200") for what in done.during.statuses), done.during.statuses
    assert done.back_after < 30
