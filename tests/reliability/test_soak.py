"""The short form of `make soak`: too short for memory to mean much, long enough for wrong answers and leaks."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from pathlib import Path

from tests.reliability.shots import Day, Shot, hostile_shots, photos
from tests.reliability.soak import Soak
from tests.reliability.traffic import Answer, Traffic
from tests.reliability.vitals import vitals
from tests.stack import System

ROUNDS = 30  # what one kind of request leaks each time is then more than what comes and goes
SETTLED_WITHIN = 20.0  # seconds in which what a client left behind is let go of


def send(system: System, shots: Sequence[Shot]) -> list[Answer]:
    """All of them, a few at a time."""
    left = itertools.cycle(shots)
    with Traffic(system.url, lambda: next(left), per_second=100, at_most=4) as traffic:
        while len(traffic.answers()) < len(shots):
            time.sleep(0.02)
    return traffic.answers()


def test_mixed_and_hostile_traffic_is_answered_rightly_and_leaves_nothing_behind(system: System, temp: Path) -> None:
    day, began = Day(), time.monotonic()
    hostile = hostile_shots(photos()[0])
    shots = [shot for one in hostile for shot in (one, day.shot())]
    answers = send(system, shots)  # what is opened once stays open
    before = vitals(system.service, temp)
    for _ in range(ROUNDS):
        answers += send(system, hostile)
    answers += send(system, shots)
    ended = time.monotonic()
    while True:
        done = Soak(ended - began, answers, before, vitals(system.service, temp))
        troubles = done.troubles(growth=0.25)
        if not troubles or done.wrong or time.monotonic() > ended + SETTLED_WITHIN:
            break
        time.sleep(0.5)
    assert not troubles, str(done)
    assert {answer.kind for answer in answers if answer.hostile} == {shot.kind for shot in hostile}
