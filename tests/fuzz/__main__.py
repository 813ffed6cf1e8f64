"""`make fuzz`: hostile requests and photos for as long as is asked; its last line has the figures."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.abuse import cases
from tests.fuzz.documented import fuzz_documented
from tests.fuzz.giants import GIANTS
from tests.fuzz.guarded import KEY, guarded_system
from tests.fuzz.neighbours import Neighbours
from tests.fuzz.photos import failures, fuzz_photos, summary
from tests.fuzz.test_abuse import MOST_MB, abuse
from tests.fuzz.test_photos import decode_giant
from tests.stack import System

_MOST_CASES_A_ROUND = 400  # of schemathesis, for each route; its neighbours' answers are looked at between rounds

Report = Callable[[str], None]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=")
    parser.add_argument("--requests", type=int, default=10_000, help="requests made from the OpenAPI document")
    parser.add_argument("--photos", type=int, default=20_000, help="mutated photos")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000, help="default: another one each time")
    options = parser.parse_args(arguments)
    say: Report = lambda line: print(line, flush=True)  # noqa: E731, T201 - a command's output
    say(f"seed {options.seed}")
    results = [_photos(options.photos, options.seed, say), _giants(say)]
    with TemporaryDirectory() as folder:
        say("starting a system with the sample catalogue ...")
        system = guarded_system(Path(folder))
        try:
            results += [_abuse(system, say), _documented(system, options.requests, options.seed, say)]
        finally:
            system.stop()
    failed = sum(wrong for _, wrong in results)
    say(f"fuzz: {sum(count for count, _ in results):,} cases, {failed} failures, seed {options.seed}")
    return int(failed > 0)


def _photos(count: int, seed: int, say: Report) -> tuple[int, int]:
    told = time.monotonic()

    def progress(done: int) -> None:
        nonlocal told
        if time.monotonic() - told > 10:
            told = time.monotonic()
            say(f"  {done:,} photos")

    tally = fuzz_photos(count, first=seed * 1_000_000, progress=progress)
    wrong = failures(tally)
    for line in wrong:
        say(f"  {line}")
    say(summary(tally))
    return tally.outcomes.total(), len(wrong)


def _giants(say: Report) -> tuple[int, int]:
    wrong = [(name, reason) for name in GIANTS if (reason := decode_giant(name))]
    for name, reason in wrong:
        say(f"  {name}: {reason[-500:]}")
    say(f"largest photos in little memory: {len(GIANTS)} cases, {len(wrong)} failures")
    return len(GIANTS), len(wrong)


def _abuse(system: System, say: Report) -> tuple[int, int]:
    say(f"{sum(1 for _ in cases())} abuses ...")
    number, wrong, neighbours = abuse(system, key=KEY)
    wrong += neighbours.wrong
    if neighbours.growth_mb > MOST_MB:
        wrong.append(f"the API process grew by {neighbours.growth_mb:.0f} MB")
    for line in wrong:
        say(f"  {line}")
    say(f"abuse: {number} cases, {len(wrong)} failures; {neighbours.asked} requests of neighbours answered as ever; "
        f"the API process grew by {neighbours.growth_mb:.0f} MB at most")  # fmt: skip
    return number, len(wrong)


def _documented(system: System, count: int, seed: int, say: Report) -> tuple[int, int]:
    done, wrong, round_ = 0, 0, 0
    with Neighbours(system, key=KEY) as neighbours:
        while done < count:
            # Eight routes; the coverage phase always makes the same cases, so it is part of the first round alone.
            phases = "examples,coverage,fuzzing" if round_ == 0 else "fuzzing"
            per_route = max(1, min(_MOST_CASES_A_ROUND, (count - done) // 4))
            outcome = fuzz_documented(system.url, key=KEY, per_route=per_route, seed=seed + round_, phases=phases)
            done, wrong, round_ = done + outcome.cases, wrong + outcome.failures, round_ + 1
            if outcome.failures:
                say(outcome.report)
            say(f"  {done:,} requests")
    for line in neighbours.wrong:
        say(f"  {line}")
    say(f"requests from the document: {done:,} cases, {wrong} failures; {neighbours.asked} requests of neighbours, "
        f"{len(neighbours.wrong)} wrong; the API process grew by {neighbours.growth_mb:.0f} MB at most")  # fmt: skip
    return done, wrong + len(neighbours.wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
