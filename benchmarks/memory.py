"""`make bench-memory`: how much memory the service holds over thousands of requests of every kind."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import models, report, subjects
from benchmarks.asked import Asked, lines
from benchmarks.connections import Request
from benchmarks.load import count_loop
from benchmarks.requests import photo_requests, photos, texts
from benchmarks.rounds import load_sample

_STEP = 1000
_REFUSED = 422  # the photo that is none

_ASKED = (
    Asked("memory of service and runner at most, GB", lambda f: f["most GB"], most=1.2),
    Asked("growth over the last two thirds of the requests", lambda f: f["growth"], most=0.02),
)


def main() -> int:
    """Send the requests, look at the memory after each thousand."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--model", choices=models.NAMES, default="b32")
    parser.add_argument("--requests", type=int, default=20_000)
    asked = parser.parse_args()
    model, record = models.folder_of(asked.model), report.Record(f"memory-{asked.model}")
    step = min(_STEP, asked.requests)
    statuses: Counter[int] = Counter()
    with TemporaryDirectory() as folder, subjects.ours(Path(folder), model) as (server, env):
        load_sample(env)
        seen, stream = [server.memory() / 1e9], _mixed()
        for done in range(step, asked.requests + 1, step):
            outcome = count_loop(server.url, list(islice(stream, step)), in_flight=8, count=step)
            statuses.update(outcome.statuses)
            if others := set(statuses) - {200, _REFUSED}:
                raise SystemExit(f"requests failed, by status: {dict(statuses)}, not only {others}")
            seen.append(server.memory() / 1e9)
            report.say(f"{done:>6,} requests: {seen[-1]:.3f} GB")
    figures = {"ready GB": seen[0], "most GB": max(seen), "end GB": seen[-1], "growth": _growth(seen)}
    table = lines([figures], _ASKED)
    record.write(
        table=[asdict(line) for line in table], figures=figures, statuses=statuses, **{"GB after each step": seen}
    )
    report.say(f"{seen[0]:.3f} GB when ready, {seen[-1]:.3f} at the end; statuses {dict(statuses)}")
    report.say(f"{report.table(table)}\nfigures: {record.file}")
    return 0


def _growth(seen: Sequence[float]) -> float:
    """By which share of itself the memory grew, along a straight line through all but the first third.

    The first third fills the pools, and the cache of texts: its 4,096 have come after some 5,000 requests. In a run of
    fewer this is no measure.
    """
    settled = seen[len(seen) // 3 :]
    if len(settled) < 2:
        return 0.0
    slope = float(np.polyfit(np.arange(len(settled)), settled, 1)[0])
    return slope * (len(settled) - 1) / float(np.mean(settled))


def _mixed() -> Iterator[Request]:
    """Of twenty requests twelve are searches and four encodings of texts nobody sent before, four bring a photo, of
    which one is no photo."""
    words, pictures = texts(), photo_requests(photos(None, None, 64), 1)
    bad = photo_requests([b"\xff\xd8\xff no photo"], 1)[0]
    for number in count():
        text = f"{words[number % len(words)]} {number}"
        match number % 20:
            case 0:
                yield bad
            case 1 | 2 | 3:
                yield pictures[number % len(pictures)]
            case 4 | 5 | 6 | 7:
                yield Request("/encode_text", json.dumps([text]).encode(), "application/json")
            case _:
                yield Request("/search-image", json.dumps({"query": text}).encode(), "application/json")


if __name__ == "__main__":
    sys.exit(main())
