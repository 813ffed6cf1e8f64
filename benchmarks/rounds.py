"""One round: the limit, the service and the design it replaced, one after another on the same cores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import limits, peers, subjects
from benchmarks.company import Company
from benchmarks.load import Outcome, closed_loop, count_loop, open_loop
from benchmarks.requests import SAMPLE, photo_requests, search_requests, text_requests, texts

Figures = dict[str, float]
Say = Callable[[str], None]

_SEARCHES_A_SECOND = 5.0  # of the open loop: what a shop's page sends, far from saturation


@dataclass(frozen=True)
class Plan:
    """How long each part of a round takes, and whether the older design is measured beside."""

    seconds: float
    searches: int
    parts: Sequence[str] = ("service", "before")
    """What is measured beside the limit: service, before (the older design), infinity."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Settings of the service that are tried."""


def run_round(model: Path, photos: Sequence[bytes], plan: Plan, say: Say) -> Figures:
    """All figures of one round; names say what they are, units are a second, items a second, bytes."""
    with Company() as company:
        figures = _round(model, photos, plan, say)
    return figures | {"others' share of the processors": company.share}


def _round(model: Path, photos: Sequence[bytes], plan: Plan, say: Say) -> Figures:
    say("the encoder alone ...")
    limit = limits.measure(model, photos[:32], texts()[:128], seconds=plan.seconds / 2)
    figures = {
        "limit photos/s": limit.photos,
        "limit photos encoded/s": limit.photos_encoded,
        "limit photos decoded/s": limit.photos_decoded,
        "limit texts/s": limit.texts_encoded,
        "limit text CPU s": limit.text_cpu_s,
        "limit photo CPU s": limit.photo_cpu_s,
        "limit batched text CPU s": limit.batched_text_cpu_s,
        "limit load s": limit.load_s,
    }
    if "service" in plan.parts:
        with TemporaryDirectory() as folder:
            say("the service ...")
            figures |= _service(Path(folder), model, photos, plan, limit)
    if "before" in plan.parts:
        with TemporaryDirectory() as folder:
            say("the design before ...")
            figures |= _baseline(Path(folder), model, photos, plan)
    if "infinity" in plan.parts:
        with TemporaryDirectory() as folder:
            say("infinity ...")
            figures |= _infinity(Path(folder), model, photos, plan)
    return figures


def _service(folder: Path, model: Path, photos: Sequence[bytes], plan: Plan, limit: limits.Limits) -> Figures:
    # No text is encoded twice here but for the cache's own figure: the others are those of new texts.
    with subjects.ours(folder, model, **{"TEXT_CACHE_ITEMS": "0", **plan.env}) as (server, env):
        load_sample(env)
        singles = _both(server.url, photos, plan.seconds)
        with _Spent(server) as photo_cpu:
            saturated = closed_loop(server.url, photo_requests(photos, 8), in_flight=8, seconds=plan.seconds, warm_up=0)
        with _Spent(server) as list_cpu:
            lists = closed_loop(server.url, text_requests(32), in_flight=8, seconds=plan.seconds, warm_up=0)
        with _Spent(server) as many_cpu:
            many = closed_loop(server.url, text_requests(1), in_flight=64, seconds=plan.seconds, warm_up=0)
        with _Spent(server) as search_cpu:
            searches = count_loop(server.url, search_requests(), in_flight=1, count=plan.searches)
        steady = open_loop(server.url, search_requests(), per_second=_SEARCHES_A_SECOND, seconds=plan.seconds)
        _all_answered(saturated, lists, many, searches, steady)
        return {
            **{f"service {name}": value for name, value in singles.items()},
            "service photos/s": saturated.rate,
            "service photo CPU s": photo_cpu.seconds / saturated.items,
            "service texts/s, 32 a request": lists.rate,
            "service text CPU s, 32 a request": list_cpu.seconds / lists.items,
            "service texts/s, 64 in flight": many.rate,
            "service text CPU s, 64 in flight": many_cpu.seconds / many.items,
            "service search CPU s": search_cpu.seconds / plan.searches,
            "service search CPU s beyond its text": search_cpu.seconds / plan.searches - limit.text_cpu_s,
            "service search p50 s": searches.latency(50),
            "service search p99 s, 5 a second": steady.latency(99),
            "service ready s": server.ready_after,
            "service memory": float(server.memory()),
        }


class _Spent:
    """CPU seconds of a server's processes while something was done."""

    def __init__(self, server: subjects.Server) -> None:
        self._server = server
        self.seconds = 0.0

    def __enter__(self) -> _Spent:
        self._before = self._server.cpu_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = self._server.cpu_seconds() - self._before


def _infinity(folder: Path, model: Path, photos: Sequence[bytes], plan: Plan) -> Figures:
    with peers.infinity(folder, model) as server:
        photo = closed_loop(server.url, peers.infinity_photos(photos), in_flight=32, seconds=plan.seconds)
        text = closed_loop(server.url, peers.infinity_texts(texts()), in_flight=32, seconds=plan.seconds)
        _all_answered(photo, text)
        return {
            "infinity photos/s, 32 in flight": photo.rate, "infinity photo p99 s": photo.latency(99),
            "infinity texts/s, 32 in flight": text.rate, "infinity text p99 s": text.latency(99),
        }  # fmt: skip


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
    there = [name for name in rounds[0] if all(name in figures for figures in rounds)]
    return {name: float(np.median([figures[name] for figures in rounds])) for name in there}
