"""Faults under load: what may fail, what must not, and how soon all is well again."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from local.ports import HOST
from tests.reliability import faults
from tests.reliability.faults import ENCODING, Fault, Place
from tests.reliability.shots import Day
from tests.reliability.traffic import Answer, Traffic

NOT_READY_WITHIN = 5.0  # seconds
PROBE_LIMIT = 2.0  # seconds; on a machine that does everything else as well
TOLD_WITHIN = 8.0  # seconds after which a request has been told that a part is away; PART_TIMEOUT, and a busy machine
ENDED_WITHIN = 32.0  # seconds; REQUEST_TIMEOUT, and a little
_GIVE_UP = 150.0  # seconds


@dataclass(frozen=True)
class Scenario:
    """One fault, or several at once."""

    faults: Sequence[Fault]

    @property
    def name(self) -> str:
        return " + ".join(fault.name for fault in self.faults)


_KILLS = (faults.RUNNER_KILLED, faults.API_KILLED, faults.MILVUS_KILLED, faults.STORE_KILLED)
_HANGS = (faults.RUNNER_HUNG, faults.API_HUNG, faults.MILVUS_HUNG, faults.STORE_HUNG)
_NETWORKS = (faults.MILVUS_SLOW, faults.MILVUS_LOSSY, faults.MILVUS_SWALLOWED, faults.STORE_SLOW,
             faults.STORE_SWALLOWED)  # fmt: skip
SCENARIOS = [
    *(Scenario((fault,)) for fault in (*_KILLS, *_HANGS, *_NETWORKS)),
    *(
        Scenario((first, second))
        for kind in (_KILLS, _HANGS)
        for number, first in enumerate(kind)
        for second in kind[number + 1 :]
    ),
    Scenario((faults.LOG_DISK_FULL,)),
    Scenario((faults.RUNNER_KILLED, faults.MILVUS_HUNG)),
    Scenario((faults.API_KILLED, faults.RUNNER_HUNG)),
]


@dataclass(frozen=True)
class Seen:
    """What came of a scenario."""

    name: str
    answers: list[Answer]
    """To what was sent from the fault's beginning until all was well again."""

    wrong: Counter[str]
    """What must not have happened."""

    not_ready_after: float | None
    """Seconds from the beginning; None: it stayed ready."""

    slowest_probe: float
    back_after: float
    """Seconds from the faults' end until nothing failed any more and `/readyz` said so."""

    def __str__(self) -> str:
        failed = Counter(answer.status or "none" for answer in self.answers if answer.status != 200)
        ready = "stays ready" if self.not_ready_after is None else f"not ready after {self.not_ready_after:.1f} s"
        return (
            f"{self.name:45} {len(self.answers):4} requests, failed {dict(failed) or 'none'}; {ready}, slowest "
            f"/readyz {self.slowest_probe * 1000:.0f} ms; well {self.back_after:.1f} s after its end"
            + "".join(f"\n    WRONG: {count} x {what}" for what, count in self.wrong.items())
        )


class _Readiness:
    """Asks `/readyz` five times a second, each time on a new connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.looks: list[tuple[float, int, float]] = []
        """When, the status (0: none), and the seconds that it took."""

        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.2):
            began = time.monotonic()
            connection = http.client.HTTPConnection(HOST, self._port, timeout=10)
            try:
                connection.request("GET", "/readyz")
                status = connection.getresponse().status
            except OSError:
                status = 0
            finally:
                connection.close()
            self.looks.append((began, status, time.monotonic() - began))


def run(place: Place, scenario: Scenario, *, hold: float, per_second: float = 6.0, patience: float = 1.0) -> Seen:
    """Let it happen under load, end it after `hold` seconds and not before it was told, and wait until all is well.

    `patience`: how many times as long as it should a busy machine may take.
    """
    system = place.system
    day = Day(seed=crc32(scenario.name.encode()))  # the same in each process, which hash() is not
    hangs = faults.API_HUNG in scenario.faults
    readiness = _Readiness(system.port)
    try:
        with Traffic(system.url, day.shot, per_second=per_second, timeout=hold if hangs else 60) as traffic:
            time.sleep(1)
            began = time.monotonic()
            ends = [fault.begin(place) for fault in scenario.faults]
            try:
                time.sleep(hold)
                if any(fault.not_ready for fault in scenario.faults):
                    _wait_until_told(readiness, began, NOT_READY_WITHIN * patience)
            finally:
                for end in ends:
                    end()
            ended = time.monotonic()
            back = _wait_until_well(traffic, readiness, ended)
        answers = traffic.answers(began - 5)
    finally:
        readiness.stop()
    looks = [look for look in readiness.looks if look[0] >= began]
    away = [at - began for at, status, _ in looks if status == 503]
    return Seen(
        scenario.name,
        [answer for answer in answers if answer.sent + answer.seconds >= began],
        _wrong(scenario, answers, looks, away, back=back, patience=patience),
        min(away, default=None),
        max(seconds for *_, seconds in looks),
        back,
    )


def _wait_until_told(readiness: _Readiness, began: float, within: float) -> None:
    while time.monotonic() < began + within:
        if any(at >= began and status == 503 for at, status, _ in list(readiness.looks)):
            return
        time.sleep(0.1)


def _wait_until_well(traffic: Traffic, readiness: _Readiness, ended: float) -> float:
    """Seconds until the first moment from which on two seconds went by without a failure."""
    while True:
        now = time.monotonic()
        failures = [a.sent for a in traffic.answers() if a.status != 200]
        failures += [at for at, status, _ in list(readiness.looks) if status != 200]
        last = max([ended, *failures])
        answered = [a.sent for a in traffic.answers(last) if a.status == 200]
        if (answered and max(answered) > last + 2) or now > ended + _GIVE_UP:
            return last - ended
        time.sleep(0.1)


def _wrong(
    scenario: Scenario,
    answers: list[Answer],
    looks: list[tuple[float, int, float]],
    away: list[float],
    *,
    back: float,
    patience: float,
) -> Counter[str]:
    wrong: Counter[str] = Counter()
    parts = {fault.part: fault.fails for fault in scenario.faults}
    lost = sum(fault.lost for fault in scenario.faults)
    hangs = faults.API_HUNG in scenario.faults
    for answer in answers:
        if answer.seconds > patience * (TOLD_WITHIN if answer.status == 503 else ENDED_WITHIN):
            wrong[f"{answer.status} to {answer.kind} took {answer.seconds:.1f} s"] += 1
        if answer.status == 200:
            continue
        if answer.status == 0 and lost > 0:
            lost -= 1
            continue
        if hangs and answer.status == 503 and answer.seconds > PROBE_LIMIT:
            continue  # held by the worker that hung; once awake it takes its own sleep for another part's
        may_fail = parts.get(answer.part, frozenset())
        if answer.part == "runner" and _api_restarts(scenario):
            may_fail = ENCODING  # a worker that has just started does not know yet what is away
        if answer.status != 503 or answer.kind not in may_fail:
            wrong[f"{answer.kind} {answer.status} {answer.trouble} {answer.part}".strip()] += 1
    for at, status, seconds in looks:
        taken = hangs and at < looks[0][0] + 1  # by a worker, just before it hung
        if seconds > PROBE_LIMIT * patience and not taken:
            wrong[f"/readyz took more than {PROBE_LIMIT * patience:.0f} s"] += 1
        if status == 0 and not taken and not _api_restarts(scenario):
            wrong["/readyz did not answer"] += 1
    if any(fault.not_ready for fault in scenario.faults):
        if not [at for at in away if at <= NOT_READY_WITHIN * patience]:
            wrong[f"it was not found not ready within {NOT_READY_WITHIN * patience:.0f} s"] += 1
    elif away and not _api_restarts(scenario):
        wrong["it was not ready"] += 1
    if back > min(patience * max(fault.back_within for fault in scenario.faults), _GIVE_UP - 10):
        wrong[f"all was well only {back:.1f} s after the end"] += 1
    return wrong


def _api_restarts(scenario: Scenario) -> bool:
    return faults.API_KILLED in scenario.faults
