"""`make bench-cost`: CPU time of each photo, text and search, of the encoder alone, the service and the design before.

For machines that are never quiet: what others do there makes a request wait, and hardly changes what it costs. Where
all cores are busy, the ratio of two costs is the ratio of two throughputs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import limits, models, report, subjects
from benchmarks.asked import Asked, Figures, lines
from benchmarks.connections import Request
from benchmarks.load import count_loop
from benchmarks.requests import photo_requests, photos, search_requests, text_requests, texts
from benchmarks.rounds import GROUPS, all_answered, cost_of_searches, load_sample

_LIMIT_SECONDS = 4.0

_ASKED = (
    Asked("/encode_image, 8 a request: limit / service",
          lambda f: f["limit photo"] / f["service photo, 8 a request"], least=0.9),
    Asked("/encode_text, 32 a request: limit / service",
          lambda f: f["limit text"] / f["service text, 32 a request"], least=0.9),
    Asked("/encode_text, one a request: limit / service",
          lambda f: f["limit text"] / f["service text, one a request"], least=0.6),
    Asked("/encode_image: the design before / service",
          lambda f: f["before photo"] / f["service photo, one a request"], least=3),
    Asked("/encode_text: the design before / service",
          lambda f: f["before text"] / f["service text, one a request"], least=4),
    Asked("search by words: ms beyond the text's encoding",
          lambda f: f["service search beside its encoding"], most=8, mean=True),
)  # fmt: skip


def main() -> int:
    """Start all subjects once, measure them in turn, print the medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--model", choices=models.NAMES, default="bundled")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    model, record = models.folder_of(asked.model), report.Record(f"cost-{asked.model}")
    files = photos(None, None, 64)
    rounds: list[Figures] = []
    limit: Figures | None = None
    with ExitStack() as stack:
        places = [Path(stack.enter_context(TemporaryDirectory())) for _ in range(2)]
        ours, env = stack.enter_context(subjects.ours(places[0], model, TEXT_CACHE_ITEMS="0"))
        load_sample(env)
        before = stack.enter_context(subjects.baseline(places[1], model))
        for number in range(asked.rounds + 1):
            found = _service(ours, files) | _before(before, files)
            if number == 0:
                continue  # the first round warms up
            limit = limits.measure(model, files, texts(), seconds=_LIMIT_SECONDS, only=GROUPS, known=limit)
            found |= {
                "limit photo": limit["limit photo CPU s"],
                "limit text": limit["limit batched text CPU s"],
                "limit text alone": limit["limit text CPU s"],
            }
            rounds.append({name: value * 1000 for name, value in found.items()})
            report.say(", ".join(f"{name} {value:.2f}" for name, value in rounds[-1].items()) + " ms")
            record.write(table=[asdict(line) for line in lines(rounds, _ASKED)], rounds=rounds)
    report.say(f"\n{report.table(lines(rounds, _ASKED))}\nfigures: {record.file}")
    return 0


def _service(server: subjects.Server, files: Sequence[bytes]) -> Figures:
    count_loop(server.url, search_requests(), in_flight=1, count=10)
    search, _ = cost_of_searches(server, 100)
    return {
        "service photo, 8 a request": _cost(server, photo_requests(files, 8), in_flight=8, count=16),
        "service photo, one a request": _cost(server, photo_requests(files, 1), in_flight=32, count=96),
        "service text, 32 a request": _cost(server, text_requests(32), in_flight=8, count=48),
        "service text, one a request": _cost(server, text_requests(1), in_flight=64, count=512),
        "service search": search["search CPU s"],
        "service search beside its encoding": search["search CPU s beside its encoding"],
    }


def _before(server: subjects.Server, files: Sequence[bytes]) -> Figures:
    return {
        "before photo": _cost(server, photo_requests(files, 1), in_flight=32, count=64),
        "before text": _cost(server, text_requests(1), in_flight=32, count=256),
    }


def _cost(server: subjects.Server, requests: Sequence[Request], *, in_flight: int, count: int) -> float:
    """CPU seconds an item."""
    spent = server.cpu_seconds()
    outcome = count_loop(server.url, requests, in_flight=in_flight, count=count)
    all_answered(outcome)
    return (server.cpu_seconds() - spent) / outcome.answered


if __name__ == "__main__":
    sys.exit(main())
