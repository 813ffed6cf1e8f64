"""The short form of `make chaos`: two things at once that are killed, a network that swallows all, a full log disk."""

from __future__ import annotations

import pytest

from tests.reliability import faults
from tests.reliability.faults import Place
from tests.reliability.scenarios import SCENARIOS, Scenario, run

BUSY = 10.0  # times as long as it should; how soon things are told is what `make chaos` is for


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario((faults.RUNNER_KILLED, faults.API_KILLED)),
        Scenario((faults.MILVUS_SWALLOWED,)),
        Scenario((faults.LOG_DISK_FULL,)),
    ],
    ids=lambda scenario: scenario.name,
)
def test_nothing_fails_but_what_may(place: Place, scenario: Scenario) -> None:
    if faults.LOG_DISK_FULL in scenario.faults and place.log_disk is None:
        pytest.skip("a small disk cannot be mounted here (needs root)")
    seen = run(place, scenario, hold=8, per_second=6, patience=BUSY)
    assert not seen.wrong, str(seen)
    must_fail = {fault.part for fault in scenario.faults if fault.fails}
    assert must_fail <= {answer.part for answer in seen.answers}, str(seen)


def test_every_part_is_killed_and_hung_alone_and_with_every_other() -> None:
    single = {scenario.faults for scenario in SCENARIOS if len(scenario.faults) == 1}
    pairs = {frozenset(scenario.faults) for scenario in SCENARIOS if len(scenario.faults) == 2}
    kinds = (
        (faults.RUNNER_KILLED, faults.API_KILLED, faults.MILVUS_KILLED, faults.STORE_KILLED),
        (faults.RUNNER_HUNG, faults.API_HUNG, faults.MILVUS_HUNG, faults.STORE_HUNG),
    )
    for kind in kinds:
        assert {(fault,) for fault in kind} <= single
        assert {frozenset((a, b)) for a in kind for b in kind if a is not b} <= pairs
