"""One round: the limit, the service and the design it replaced, one after another on the same cores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import limits, subjects
from benchmarks.load import Outcome, closed_loop, count_loop
from benchmarks.requests import SAMPLE, photo_requests, search_requests, text_requests, texts

Figures = dict[str, float]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How long each part of a round takes, and whether the older design is measured beside."""

    seconds: float
    searches: int
    baseline: bool


def run_round(model: Path, photos: Sequence[bytes], plan: Plan, say: Say) -> Figures:
    """All figures of one round; names say what they are, units are a second, items a second, bytes."""
    say("the encoder alone ...")
    limit = limits.measure(model, photos[:32], texts()[:128], seconds=plan.seconds / 2)
    figures = {
        "limit photos/s": limit.photos,
        "limit photos encoded/s": limit.photos_encoded,
        "limit photos decoded/s": limit.photos_decoded,
        "limit texts/s": limit.texts_encoded,
        "limit text CPU s": limit.text_cpu_s,
        "limit load s": limit.load_s,
    }
    with TemporaryDirectory() as folder:
        say("the service ...")
        figures |= _service(Path(folder), model, photos, plan, limit)
    if plan.baseline:
        with TemporaryDirectory() as folder:
            say("the design before ...")
            figures |= _baseline(Path(folder), model, photos, plan)
    return figures


def _service(folder: Path, model: Path, photos: Sequence[bytes], plan: Plan, limit: limits.Limits) -> Figures:
    with subjects.ours(folder, model) as (server, env):
        load_sample(env)
        singles = _both(server.url, photos, plan.seconds)
        saturated = closed_loop(server.url, photo_requests(photos, 8), in_flight=8, seconds=plan.seconds)
        lists = closed_loop(server.url, text_requests(32), in_flight=8, seconds=plan.seconds)
        many = closed_loop(server.url, text_requests(1), in_flight=64, seconds=plan.seconds)
        before = server.cpu_seconds()
        searches = count_loop(server.url, search_requests(), in_flight=1, count=plan.searches)
        cpu = (server.cpu_seconds() - before) / plan.searches
        _all_answered(saturated, lists, many, searches)
        return {
            **{f"service {name}": value for name, value in singles.items()},
            "service photos/s": saturated.rate,
            "service texts/s, 32 a request": lists.rate,
            "service texts/s, 64 in flight": many.rate,
            "service search CPU s": cpu,
            "service search CPU s beyond its text": cpu - limit.text_cpu_s,
            "service search p50 s": searches.latency(50),
            "service ready s": server.ready_after,
            "service memory": float(server.memory()),
        }


def _baseline(folder: Path, model: Path, photos: Sequence[bytes], plan: Plan) -> Figures:
    with subjects.baseline(folder, model) as server:
        return {f"before {name}": value for name, value in _both(server.url, photos, plan.seconds).items()}


def _both(url: str, photos: Sequence[bytes], seconds: float) -> Figures:
    """One photo and one text a request, 32 in flight: what both designs are asked."""
    photo = closed_loop(url, photo_requests(photos, 1), in_flight=32, seconds=seconds, warm_up=seconds / 2)
    text = closed_loop(url, text_requests(1), in_flight=32, seconds=seconds)
    _all_answered(photo, text)
    return {
        "photos/s, 32 in flight": photo.rate, "photo p99 s": photo.latency(99),
        "texts/s, 32 in flight": text.rate, "text p99 s": text.latency(99),
    }  # fmt: skip


def load_sample(env: Mapping[str, str]) -> None:
    """Load the sample catalogue, so that a search finds something."""
    subprocess.run(  # noqa: S603 - a list of our own, no shell
        [sys.executable, "-m", "etl", "run", str(SAMPLE.parent)],
        cwd=subjects.ROOT, env={**os.environ, **env}, check=True, capture_output=True, timeout=600,
    )  # fmt: skip


def _all_answered(*outcomes: Outcome) -> None:
    """A subject that refuses work is not fast."""
    for outcome in outcomes:
        if outcome.failed:
            raise SystemExit(f"requests failed, by status: {outcome.statuses}; no figure is made of that")


def medians(rounds: Sequence[Figures]) -> Figures:
    """Each figure's median over the rounds."""
    return {name: float(np.median([figures[name] for figures in rounds])) for name in rounds[0]}
