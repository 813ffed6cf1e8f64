"""Rounds: the limit, the service and the design it replaced, one after another on the same cores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

from benchmarks import limits, peers, subjects
from benchmarks.asked import Figures
from benchmarks.company import Company
from benchmarks.connections import Request
from benchmarks.load import Outcome, closed_loop, count_loop, open_loop
from benchmarks.requests import SAMPLE, photo_requests, search_requests, text_requests, texts

Say = Callable[[str], None]

GROUPS = ("image", "text", "search")
"""What can be measured apart; start and memory come with each."""

_SEARCHES_A_SECOND = 5.0  # of the open loop: what a shop's page sends, far from saturation
_WARM_UP = 1.0  # seconds


@dataclass(frozen=True)
class Plan:
    """How long each part of a round takes, and what is measured."""

    seconds: float
    """Of each load with photos; those of texts, which are many more, take half of it."""

    searches: int
    only: Sequence[str] = GROUPS
    parts: Sequence[str] = ("service", "before")
    """What is measured beside the limit: service, before (the older design), infinity."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Settings of the service that are tried."""


class Rounds:
    """The rounds over one model. Servers are started anew in each; the stores with their catalogue stay."""

    def __init__(self, model: Path, photos: Sequence[bytes], plan: Plan, places: Mapping[str, str], say: Say) -> None:
        """`places`: the variables that lead to the stores."""
        self._model, self._photos, self._plan, self._places, self._say = model, photos, plan, places, say
        self._limit: Figures | None = None
        self._loaded = False

    def run(self) -> Figures:
        """All figures of one round."""
        with Company() as company:
            figures = self._round()
        return figures | {"others' share of the processors": company.share}

    def _round(self) -> Figures:
        plan = self._plan
        self._say("the encoder alone ...")
        self._limit = limits.measure(
            self._model, self._photos, texts(), seconds=plan.seconds, only=plan.only, known=self._limit
        )
        figures = dict(self._limit)
        if "text" in plan.only:
            with TemporaryDirectory() as folder:
                figures |= self._bare(Path(folder), dim=int(figures["limit dim"]))
        for part, name, measured in (
            ("service", "the service", self._service),
            ("before", "the design before", self._before),
            ("infinity", "infinity", self._infinity),
        ):
            if part in plan.parts and (part == "service" or {"image", "text"} & set(plan.only)):
                self._say(f"{name} ...")
                with TemporaryDirectory() as folder:
                    figures |= measured(Path(folder))
        return figures

    def _bare(self, folder: Path, *, dim: int) -> Figures:
        """What a request with one text costs where nothing is behind it, at the server and at this generator."""
        with subjects.bare(folder, dim) as server:
            begun = process_time()
            load, cpu = _spent(server, lambda: self._closed(server.url, text_requests(1), 64, of_texts=True))
            return {
                "limit requests/s": load.rate,
                "limit request CPU s": cpu + (process_time() - begun) / load.answered,
            }

    def _service(self, folder: Path) -> Figures:
        # No text is encoded twice here but for the cache's own figure: the others are those of new texts.
        env = {"TEXT_CACHE_ITEMS": "0", **self._plan.env}
        with subjects.service(folder, self._model, self._places, **env) as (server, variables):
            figures = {"service ready s": server.ready_after}
            if "search" in self._plan.only and not self._loaded:
                load_sample(variables)
                self._loaded = True
            figures |= {f"service {name}": value for name, value in self._singles(server.url).items()}
            if "image" in self._plan.only:
                figures |= self._saturated(server)
            if "text" in self._plan.only:
                figures |= self._many_texts(server)
            if "search" in self._plan.only:
                figures |= self._searches(server)
            return figures | {"service memory": float(server.memory())}

    def _saturated(self, server: subjects.Server) -> Figures:
        load, cpu = _spent(server, lambda: self._closed(server.url, photo_requests(self._photos, 8), 8))
        return {"service photos/s": load.rate, "service photo CPU s": cpu}

    def _many_texts(self, server: subjects.Server) -> Figures:
        lists, list_cpu = _spent(server, lambda: self._closed(server.url, text_requests(32), 8, of_texts=True))
        many, many_cpu = _spent(server, lambda: self._closed(server.url, text_requests(1), 64, of_texts=True))
        return {
            "service texts/s, 32 a request": lists.rate, "service text CPU s, 32 a request": list_cpu,
            "service texts/s, 64 in flight": many.rate, "service text CPU s, 64 in flight": many_cpu,
        }  # fmt: skip

    def _searches(self, server: subjects.Server) -> Figures:
        count_loop(server.url, search_requests(), in_flight=1, count=10)
        costs, counted = cost_of_searches(server, self._plan.searches)
        steady = open_loop(server.url, search_requests(), per_second=_SEARCHES_A_SECOND, seconds=self._plan.seconds)
        all_answered(steady)
        return {
            **{f"service {name}": value for name, value in costs.items()},
            "service search p50 s": counted.latency(50),
            "service search p99 s, 5 a second": steady.latency(99),
        }

    def _before(self, folder: Path) -> Figures:
        with subjects.baseline(folder, self._model) as server:
            return {f"before {name}": value for name, value in self._singles(server.url).items()}

    def _infinity(self, folder: Path) -> Figures:
        with peers.infinity(folder, self._model) as server:
            photo = self._closed(server.url, peers.infinity_photos(self._photos), 32)
            text = self._closed(server.url, peers.infinity_texts(texts()), 32, of_texts=True)
            return {
                "infinity photos/s, 32 in flight": photo.rate, "infinity photo p99 s": photo.latency(99),
                "infinity texts/s, 32 in flight": text.rate, "infinity text p99 s": text.latency(99),
            }  # fmt: skip

    def _singles(self, url: str) -> Figures:
        """One photo and one text a request, 32 in flight: what both designs are asked."""
        figures: Figures = {}
        if "image" in self._plan.only:
            photo = self._closed(url, photo_requests(self._photos, 1), 32)
            figures |= {"photos/s, 32 in flight": photo.rate, "photo p99 s": photo.latency(99)}
        if "text" in self._plan.only:
            text = self._closed(url, text_requests(1), 32, of_texts=True)
            figures |= {"texts/s, 32 in flight": text.rate, "text p99 s": text.latency(99)}
        return figures

    def _closed(self, url: str, requests: Sequence[Request], in_flight: int, *, of_texts: bool = False) -> Outcome:
        seconds = self._plan.seconds / 2 if of_texts else self._plan.seconds
        outcome = closed_loop(url, requests, in_flight=in_flight, seconds=seconds, warm_up=_WARM_UP)
        all_answered(outcome)
        return outcome


def _spent(server: subjects.Server, load: Callable[[], Outcome]) -> tuple[Outcome, float]:
    """What a load came to, and the server's CPU seconds for each item."""
    before = server.cpu_seconds()
    outcome = load()
    all_answered(outcome)
    return outcome, (server.cpu_seconds() - before) / outcome.answered


def cost_of_searches(server: subjects.Server, count: int) -> tuple[Figures, Outcome]:
    """CPU seconds of a search by words, one at a time: all of it, and what it costs beside its text's encoding.

    The encoding is what the threads spend that compute it: there, after all else that a search does, and not in a
    process that does nothing else, where the same pass finds its weights in the caches.
    """
    encoded = server.encoding_seconds()
    outcome, cpu = _spent(server, lambda: count_loop(server.url, search_requests(), in_flight=1, count=count))
    encoding = (server.encoding_seconds() - encoded) / outcome.answered
    return {"search CPU s": cpu, "search CPU s beside its encoding": cpu - encoding}, outcome


def load_sample(env: Mapping[str, str]) -> None:
    """Load the sample catalogue, so that a search finds something."""
    subprocess.run(  # noqa: S603 - a list of our own, no shell
        [sys.executable, "-m", "etl", "run", str(SAMPLE.parent)],
        cwd=subjects.ROOT, env={**os.environ, **env}, check=True, capture_output=True, timeout=600,
    )  # fmt: skip


def all_answered(*outcomes: Outcome) -> None:
    """A subject that refuses work is not fast."""
    for outcome in outcomes:
        if outcome.failed or not outcome.answered:
            raise SystemExit(f"requests failed, by status: {outcome.statuses}; no figure is made of that")
