"""The short form of `make soak`: too short for memory to mean anything, long enough for wrong answers and leaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability import soak as soaking
from tests.reliability.shots import hostile_shots, photos
from tests.reliability.soak import soak
from tests.reliability.traffic import Traffic, statuses
from tests.stack import System


@pytest.fixture(scope="module")
def temp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temp")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, temp: Path) -> Iterator[System]:
    running = System(tmp_path_factory.mktemp("soak"), TMPDIR=str(temp), MAX_BODY_MB="4", LOG_LEVEL="WARNING")
    yield running
    running.stop()


def test_a_moment_of_mixed_traffic(system: System, temp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soaking, "HOSTILE", 0.2)
    done = soak(system, temp, seconds=12, warm_up=4, per_second=4)
    assert done.troubles(growth=0.25) == [], str(done)
    assert any(answer.hostile for answer in done.answers)


def test_every_hostile_request_is_refused(system: System) -> None:
    shots = hostile_shots(photos()[0])
    left = iter(shots)
    with Traffic(system.url, lambda: next(left, shots[0]), per_second=10) as traffic:
        while len(traffic.answers()) < len(shots):
            pass
    for answer in traffic.answers():
        assert answer.trouble == "none expected" or 400 <= answer.status < 500, answer
    assert statuses(traffic.answers())[0] == sum(shot.raw is not None for shot in shots)
