"""`make chaos`: every fault in turn and in pairs, under load, on a system of its own."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.etl.proof.place import photos_of
from tests.reliability import data
from tests.reliability.faults import Place
from tests.reliability.scenarios import SCENARIOS, run
from tests.stack import SAMPLE


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the scenarios, print a line for each; the exit status tells whether all came as it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hold", type=float, default=7, help="seconds that each fault lasts")
    parser.add_argument("--only", default="", help="run those whose name contains this")
    given = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if given.only in scenario.name]
    began, seen = time.monotonic(), []
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        try:
            for scenario in chosen:
                seen.append(run(place, scenario, hold=given.hold))
                _say(str(seen[-1]))
            if not given.only:
                stored = photos_of(SAMPLE)
                for store in data.stores(place.system):
                    _say(data.killed_in_a_load(place.system, Path(folder), stored, store))
                _say(data.killed_in_deletes(place.system, Path(folder), stored, rounds=6))
        finally:
            place.stop()
    wrong = sum(sum(one.wrong.values()) for one in seen)
    answers = [answer for one in seen for answer in one.answers]
    not_ready = [one.not_ready_after for one in seen if one.not_ready_after is not None]
    _say(
        f"chaos: {len(seen)} scenarios in {time.monotonic() - began:.0f} s, {len(answers)} requests, "
        f"{sum(answer.status != 200 for answer in answers)} failed as they may, {wrong} things wrong; "
        f"not ready after at most {max(not_ready, default=0):.1f} s, slowest /readyz "
        f"{max(one.slowest_probe for one in seen) * 1000:.0f} ms, well again after at most "
        f"{max(one.back_after for one in seen):.1f} s"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
