"""`make soak`: a shop's traffic with 2 % of requests that mean harm, and what the service holds meanwhile."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.reliability.shots import Day
from tests.reliability.traffic import Answer, Traffic, percentile, statuses
from tests.reliability.verdict import tell
from tests.reliability.vitals import Vitals, median, vitals
from tests.stack import System

HOSTILE = 0.02


@dataclass(frozen=True)
class Soak:
    """What a soak came to."""

    seconds: float
    answers: list[Answer]
    before: Vitals
    """At the end of the warm-up; both are medians of several looks."""

    after: Vitals

    @property
    def wrong(self) -> Counter[str]:
        """Answers that should not have come: 5xx or none, and hostile requests that were not refused."""
        return Counter(
            f"{answer.kind}: {answer.status or answer.trouble} {answer.part}".strip()
            for answer in self.answers
            if answer.trouble != "none expected"
            and (not 400 <= answer.status < 500 if answer.hostile else answer.status != 200)
        )

    @property
    def growth(self) -> float:
        """Of the memory, as a share."""
        return self.after.memory / self.before.memory - 1

    def troubles(self, *, growth: float) -> list[str]:
        """What is not as it should be."""
        found = [f"{count} times {what}" for what, count in self.wrong.items()]
        if self.growth >= growth:
            found.append(f"memory grew by {self.growth:.1%}")
        # Connections and pools breathe a little; a leak goes on and on.
        for what, slack in (("fds", 8), ("threads", 4), ("temp_files", 0)):
            was, now = getattr(self.before, what), getattr(self.after, what)
            if now > was + slack:
                found.append(f"{what}: {was} became {now}")
        return found

    def __str__(self) -> str:
        hostile = sum(answer.hostile for answer in self.answers)
        usual = [answer.seconds for answer in self.answers if answer.status == 200]
        return (
            f"soak: {self.seconds / 60:.1f} min, {len(self.answers)} requests, {hostile} of them hostile, "
            f"{sum(self.wrong.values())} wrong answers, p99 {percentile(usual, 99):.2f} s; "
            f"{self.before} became {self.after}; memory {self.growth:+.2%}"
        )


def soak(system: System, temp: Path, *, seconds: float, warm_up: float, per_second: float, say: bool = False) -> Soak:
    """Send traffic for so long; what the service holds counts from the end of the warm-up on."""
    window = min(120.0, (seconds - warm_up) / 3)
    began = time.monotonic()
    looks: list[tuple[float, Vitals]] = []
    day = Day(hostile=HOSTILE)
    with Traffic(system.url, day.shot, per_second=per_second) as traffic:
        while (at := time.monotonic() - began) < seconds:
            looks.append((at, vitals(system.service, temp)))
            if say and len(looks) % 60 == 1:
                told = dict(statuses(traffic.answers()))
                sys.stdout.write(f"{at / 60:5.1f} min  {looks[-1][1]}  {told}\n")
                sys.stdout.flush()
            time.sleep(min(1.0, window / 10))
    before = median([look for at, look in looks if warm_up <= at <= warm_up + window])
    after = median([look for at, look in looks if at >= seconds - window])
    return Soak(seconds, traffic.answers(), before, after)


def main() -> int:
    """Start everything, soak, print; the exit status tells whether all was well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=8, help="requests a second")
    given = parser.parse_args()
    seconds = given.minutes * 60
    with tempfile.TemporaryDirectory() as folder:
        temp = Path(folder) / "tmp"
        temp.mkdir()
        system = System(Path(folder), TMPDIR=str(temp), MAX_BODY_MB="4", LOG_LEVEL="WARNING")
        try:
            done = soak(system, temp, seconds=seconds, warm_up=min(300, seconds / 3), per_second=given.rate, say=True)
        finally:
            system.stop()
    return tell(done, done.troubles(growth=0.02))


if __name__ == "__main__":
    raise SystemExit(main())
