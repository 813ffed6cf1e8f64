"""`make bench-cost`: CPU time of each photo, text and search, of the encoder alone, the service and the design before.

For machines that are never quiet: what others do there makes a request wait, and hardly changes what it costs. Where
all cores are busy, the ratio of two costs is the ratio of two throughputs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from time import gmtime, strftime

import numpy as np

from benchmarks import limits, machine, models, subjects
from benchmarks.load import Request, count_loop
from benchmarks.requests import photo_requests, photos, search_requests, text_requests, texts
from benchmarks.rounds import load_sample

_HERE = Path(__file__).parent
_LIMIT_SECONDS = 4.0

_ASKED = (
    ("/encode_image, 8 a request: limit / service", "limit photo", "service photo, 8 a request", ">= 0.9"),
    ("/encode_text, 32 a request: limit / service", "limit text", "service text, 32 a request", ">= 0.9"),
    ("/encode_text, one a request: limit / service", "limit text", "service text, one a request", ">= 0.6"),
    ("/encode_image: the design before / service", "before photo", "service photo, one a request", ">= 3"),
    ("/encode_text: the design before / service", "before text", "service text, one a request", ">= 4"),
)  # fmt: skip


def main() -> int:
    """Start all subjects once, measure them in turn, print the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--model", choices=("bundled", "b32"), default="bundled")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    bundled = asked.model == "bundled"
    model = models.bundled() if bundled else models.vit_b_32(_HERE.parent / ".local" / "bench" / "vit-b-32")
    files = photos(None, None, 64)
    rounds: list[dict[str, float]] = []
    with ExitStack() as stack:
        places = [Path(stack.enter_context(TemporaryDirectory())) for _ in range(2)]
        ours, env = stack.enter_context(subjects.ours(places[0], model, TEXT_CACHE_ITEMS="0"))
        load_sample(env)
        before = stack.enter_context(subjects.baseline(places[1], model))
        for number in range(asked.rounds + 1):
            limit = limits.measure(model, files[:32], texts()[:128], seconds=_LIMIT_SECONDS) if number else None
            found = _service(ours, files) | _before(before, files)
            if limit is None:
                continue  # the first round warms up
            found |= {
                "limit photo": limit.photo_cpu_s,
                "limit text": limit.batched_text_cpu_s,
                "limit text alone": limit.text_cpu_s,
            }
            rounds.append({name: value * 1000 for name, value in found.items()})
            sys.stdout.write(", ".join(f"{name} {value:.2f}" for name, value in rounds[-1].items()) + " ms\n")
            sys.stdout.flush()
            _write(asked.model, rounds)
    sys.stdout.write(_table(rounds))
    return 0


def _service(server: subjects.Server, files: Sequence[bytes]) -> dict[str, float]:
    return {
        "service photo, 8 a request": _cost(server, photo_requests(files, 8), in_flight=8, count=16),
        "service photo, one a request": _cost(server, photo_requests(files, 1), in_flight=32, count=96),
        "service text, 32 a request": _cost(server, text_requests(32), in_flight=8, count=48),
        "service text, one a request": _cost(server, text_requests(1), in_flight=64, count=512),
        "service search": _cost(server, search_requests(), in_flight=1, count=150),
    }


def _before(server: subjects.Server, files: Sequence[bytes]) -> dict[str, float]:
    return {
        "before photo": _cost(server, photo_requests(files, 1), in_flight=32, count=64),
        "before text": _cost(server, text_requests(1), in_flight=32, count=256),
    }


def _cost(server: subjects.Server, requests: Sequence[Request], *, in_flight: int, count: int) -> float:
    """CPU seconds an item."""
    spent = server.cpu_seconds()
    outcome = count_loop(server.url, requests, in_flight=in_flight, count=count)
    if outcome.failed:
        raise SystemExit(f"requests failed, by status: {outcome.statuses}; no figure is made of that")
    return (server.cpu_seconds() - spent) / outcome.items


def _table(rounds: Sequence[dict[str, float]]) -> str:
    lines = []
    for what, above, below, bound in _ASKED:
        ratios = [found[above] / found[below] for found in rounds]
        lines.append(f"{what:<48} {bound:>7}  {np.median(ratios):.2f}  ({min(ratios):.2f} .. {max(ratios):.2f})\n")
    beyond = [found["service search"] - found["limit text alone"] for found in rounds]
    lines.append(f"{'search by words: ms beyond the text alone':<48} {'<= 8':>7}  {np.median(beyond):.2f}  "
                 f"({min(beyond):.2f} .. {max(beyond):.2f})\n")  # fmt: skip
    return "".join(lines)


def _write(name: str, rounds: Sequence[dict[str, float]]) -> None:
    out = _HERE / "results" / f"cost-{name}-{strftime('%Y-%m-%d', gmtime())}.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"machine": machine.describe(), "CPU ms": rounds}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
