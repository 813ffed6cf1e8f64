"""`make bench-memory`: how much memory the service holds over thousands of requests of every kind."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import gmtime, strftime

import numpy as np

from benchmarks import machine, models, subjects
from benchmarks.load import Request, count_loop
from benchmarks.requests import photo_requests, photos, texts
from benchmarks.rounds import load_sample

_HERE = Path(__file__).parent
_STEP = 1000


def main() -> int:
    """Send the requests, look at the memory after each thousand."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--model", choices=("bundled", "b32"), default="b32")
    parser.add_argument("--requests", type=int, default=20_000)
    asked = parser.parse_args()
    bundled = asked.model == "bundled"
    model = models.bundled() if bundled else models.vit_b_32(_HERE.parent / ".local" / "bench" / "vit-b-32")
    with TemporaryDirectory() as folder, subjects.ours(Path(folder), model) as (server, env):
        load_sample(env)
        seen, statuses, stream = [server.memory() / 1e9], dict[int, int](), _mixed()
        for done in range(_STEP, asked.requests + 1, _STEP):
            outcome = count_loop(server.url, list(islice(stream, _STEP)), in_flight=8, count=_STEP)
            for status, number in outcome.statuses.items():
                statuses[status] = statuses.get(status, 0) + number
            seen.append(server.memory() / 1e9)
            sys.stdout.write(f"{done:>6,} requests: {seen[-1]:.3f} GB\n")
            sys.stdout.flush()
    # The first quarter fills pools and the cache of texts; what comes after must not grow.
    settled = seen[len(seen) // 4 :]
    slope = float(np.polyfit(np.arange(len(settled)), settled, 1)[0])
    out = _HERE / "results" / f"memory-{asked.model}-{strftime('%Y-%m-%dT%H%M', gmtime())}.json"
    out.parent.mkdir(exist_ok=True)
    content = {"machine": machine.describe(), "GB": seen, "statuses": statuses, "GB per 1,000 requests": slope}
    out.write_text(json.dumps(content, indent=1) + "\n")
    sys.stdout.write(
        f"{seen[0]:.3f} GB when ready, {max(seen):.3f} at most, {seen[-1]:.3f} at the end; "
        f"{slope * 1000:+.2f} MB per 1,000 requests after the first quarter; statuses {statuses}\nfigures: {out}\n"
    )
    return 0


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
