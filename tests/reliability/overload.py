"""`make overload`: ten times as many searches as can be served, for two minutes."""

from __future__ import annotations

import argparse
import http.client
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks.connections import Request
from benchmarks.load import Outcome, closed_loop
from local.ports import HOST
from tests.reliability.flood import Flooded, flooded, searches, start_flood
from tests.reliability.traffic import percentile
from tests.reliability.verdict import tell
from tests.reliability.vitals import memory_at_a_glance
from tests.stack import System

TIMES = 10
_PROBES = ("/livez", "/readyz", "/metrics")
_PROBE_LIMIT = 0.2  # seconds
_LATE = 1.0  # seconds that the flood, which takes what is left of the cores, may be behind its times
_BACK_WITHIN = 5.0  # seconds
_LOOK_EVERY = 1.0  # seconds


class Watch:
    """Asks for health and metrics again and again, each time on a connection of its own, and looks at the memory.

    It has to share the cores with the flood, as somebody who asks from another machine does not: what its own thread
    waited for a core is no part of what the service took.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seconds: dict[str, list[float]] = {path: [] for path in _PROBES}
        self.slowest_of_all = 0.0
        """With what the watch itself waited for a core."""
        self.statuses: Counter[str] = Counter()
        self.memory: list[int] = []

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        looked = -_LOOK_EVERY
        while not self._end.wait(0.2):
            for path in _PROBES:
                began, waited = time.perf_counter(), waited_for_a_core()
                self.statuses[f"{path} {self._ask(path)}"] += 1
                took = time.perf_counter() - began
                self.seconds[path].append(took - (waited_for_a_core() - waited))
                self.slowest_of_all = max(self.slowest_of_all, took)
            if time.monotonic() - looked > _LOOK_EVERY:
                looked = time.monotonic()
                self.memory.append(memory_at_a_glance(self._system.service))

    def _ask(self, path: str) -> int | str:
        connection = http.client.HTTPConnection(HOST, self._system.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except OSError as error:
            return type(error).__name__
        finally:
            connection.close()

    @property
    def slowest(self) -> float:
        return max(max(seconds) for seconds in self.seconds.values())


def waited_for_a_core() -> float:
    """Seconds that this thread, ready to run, was kept waiting by others, since it began (Linux' `sched-stats`)."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


@dataclass(frozen=True)
class Overload:
    """What a flood did to the service."""

    saturation: Outcome
    flood: Flooded
    before: Watch
    during: Watch
    back_after: float
    """Seconds after the flood until answers came as fast as without any load."""

    @property
    def slowdown(self) -> float:
        """The p99 of what was accepted, beside that at saturation."""
        return percentile(self.flood.accepted, 99) / self.saturation.latency(99)

    @property
    def times(self) -> float:
        """How many times the sustainable rate was really sent."""
        return self.flood.sent / self.flood.seconds / self.saturation.rate

    @property
    def growth(self) -> float:
        """Of the most memory held, beside that at saturation."""
        return max(self.during.memory) / max(self.before.memory) - 1

    def troubles(self) -> list[str]:
        """What is not as it should be."""
        found = []
        if strange := {s: n for s, n in self.flood.statuses.items() if s not in ("200", "429", "503")}:
            found.append(f"answered {strange}")
        if self.times < 0.95 * TIMES or self.flood.late > _LATE:
            found.append(f"sent {self.times:.1f} times as many, up to {self.flood.late:.2f} s late")
        if self.flood.troubles:
            found.append(f"not answered as it should be: {self.flood.troubles}")
        if self.slowdown > 2:
            found.append(f"the p99 of what was accepted is {self.slowdown:.2f} times that at saturation")
        if self.growth > 0.25:
            found.append(f"memory grew by {self.growth:.0%}")
        if bad := {what: n for what, n in self.during.statuses.items() if not what.endswith(" 200")}:
            found.append(f"probes: {bad}")
        if self.during.slowest > _PROBE_LIMIT:
            slow = {path: f"{max(all_):.3f} s" for path, all_ in self.during.seconds.items()}
            found.append(f"probes took up to {slow}")
        if self.back_after > _BACK_WITHIN:
            found.append(f"latency was back after {self.back_after:.1f} s")
        return found

    def __str__(self) -> str:
        statuses = ", ".join(f"{n} x {s}" for s, n in sorted(self.flood.statuses.items()))
        probes = [one for all_ in self.during.seconds.values() for one in all_]
        return (
            f"overload: {self.saturation.rate:.1f} searches/s sustained, {self.times:.1f} times as many sent for "
            f"{self.flood.seconds:.0f} s, at most {self.flood.late * 1000:.0f} ms late: {statuses}, "
            f"{sum(self.flood.troubles.values())} not answered right; "
            f"p99 {self.saturation.latency(99):.2f} s at saturation, {percentile(self.flood.accepted, 99):.2f} s "
            f"({self.slowdown:.2f} times) in overload, refusals {percentile(self.flood.refused, 99) * 1000:.0f} ms; "
            f"memory {max(self.before.memory) / 1e6:.0f} -> {max(self.during.memory) / 1e6:.0f} MB; "
            f"probes p99 {percentile(probes, 99) * 1000:.0f} ms, slowest {self.during.slowest * 1000:.0f} ms "
            f"({self.during.slowest_of_all * 1000:.0f} with the watch's own waits for a core); "
            f"back after {self.back_after:.1f} s"
        )


def overload(system: System, *, in_flight: int, seconds: float, measure: float) -> Overload:
    """Measure what can be sustained with as many in flight as the service takes on; then send ten times as much."""
    shots = [Request(shot.path, shot.body or b"", shot.content_type) for shot in searches()]
    closed_loop(system.url, shots, in_flight=4, seconds=3)
    alone = closed_loop(system.url, shots, in_flight=1, seconds=min(5, measure))
    with Watch(system) as before:
        saturation = closed_loop(system.url, shots, in_flight=in_flight, seconds=measure)
    with Watch(system) as during:
        flood = start_flood(system.url, per_second=TIMES * saturation.rate, seconds=seconds)
        done = flooded(flood)
    return Overload(saturation, done, before, during, _back_after(system, shots, alone))


def _back_after(system: System, shots: list[Request], alone: Outcome) -> float:
    began = time.monotonic()
    while (waited := time.monotonic() - began) < 6 * _BACK_WITHIN:
        now = closed_loop(system.url, shots, in_flight=1, seconds=0.5, warm_up=0)
        if now.latencies and not now.failed and now.latency(50) <= 1.5 * alone.latency(99):
            return waited
    return waited


def main() -> int:
    """Start everything, flood it, print; the exit status tells whether all was well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--concurrency", type=int, default=128, help="MAX_CONCURRENCY, and what saturation means")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        system = System(Path(folder), LOG_LEVEL="WARNING", MAX_CONCURRENCY=str(given.concurrency))
        try:
            done = overload(system, in_flight=given.concurrency, seconds=given.seconds, measure=20)
        finally:
            system.stop()
    return tell(done, done.troubles())


if __name__ == "__main__":
    raise SystemExit(main())
