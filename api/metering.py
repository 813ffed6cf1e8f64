"""The service's own metrics, and the page that Prometheus scrapes.

BentoML's meter labels by raw path, so that unknown URLs grow the scrape without bound; this one knows a fixed
set of routes. With several processes the values lie in `PROMETHEUS_MULTIPROC_DIR`, one file a process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

# Seconds; the finest step lies where a search by text ends up, the last one at the request's time limit.
_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_CALLS = (
    ("runner", "encode_texts"), ("runner", "encode_pixels"), ("runner", "describe"),
    ("milvus", "current"), ("milvus", "search"), ("milvus", "get"), ("store", "probe"),
)  # fmt: skip
_METHODS = frozenset({"GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"})


class Metrics:
    """All metrics of an API process; label values come from fixed sets only."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._requests = Histogram(
            "http_request_duration_seconds",
            "Seconds from a request's arrival to the end of its answer.",
            ("handler", "method", "status"),
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge(
            "http_requests_in_flight",
            "Requests under way.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._stages = Histogram(
            "search_stage_duration_seconds",
            "Seconds that the stages of a request take.",
            ("stage",),
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self._encodings = Counter(
            "encoding_requests_total",
            "Requests that had something encoded.",
            ("method", "endpoint"),
            registry=registry,
        )
        self._encoded_items = Counter(
            "encoded_items_total", "Texts and photos encoded.", ("method",), registry=registry
        )
        self._text_cache = Counter(
            "text_cache_total", "Texts looked up among those encoded lately.", ("outcome",), registry=registry
        )
        for outcome in ("hit", "miss"):  # present from the start, so that the first is a rise from zero
            self._text_cache.labels(outcome)
        self.text_cache_items = Gauge(
            "text_cache_items", "Texts whose vectors are remembered.", registry=registry, multiprocess_mode="livesum"
        )
        self.encodings_in_flight = Gauge(
            "encoding_requests_in_flight",
            "Requests that wait for the model or are in it.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._bad_input = Counter(
            "bad_input_total", "Requests and photos refused, by error code.", ("code",), registry=registry
        )
        self._shed = Counter(
            "shed_requests_total", "Requests refused to protect the service.", ("reason",), registry=registry
        )
        self._key_requests = Counter(
            "api_key_requests_total", "Requests with a known key, by the key's name.", ("key",), registry=registry
        )
        self._backend_calls = Counter(
            "backend_calls_total",
            "Calls to runner, Milvus and store.",
            ("part", "operation", "outcome"),
            registry=registry,
        )
        # There from the start: a rate needs the zero before the first failure.
        for reason in ("overloaded", "rate_limited"):
            self._shed.labels(reason)
        for part, operation in _CALLS:
            self._backend_calls.labels(part, operation, "error")
        self.backend_up = Gauge(
            "backend_up",
            "Whether a part answers (1) or not (0), as the worst-off process sees it.",
            ("part",),
            registry=registry,
            multiprocess_mode="livemin",
        )
        self.collection_items = Gauge(
            "collection_items",
            "Items in the collection that is searched.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.model_info = Gauge(
            "model_info",
            "The model that encodes, as labels.",
            ("model", "dim", "device", "dtype"),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.active_workers = Gauge(
            "model_serving_active_workers",
            "API processes that are alive.",
            registry=registry,
            multiprocess_mode="livesum",
        )

        # Looked up, a metric's child costs more than it counts: those of each request are remembered.
        self._request = cache(self._requests.labels)
        self._encoding = cache(self._encodings.labels)
        self._items = cache(self._encoded_items.labels)
        self._looked_up = cache(self._text_cache.labels)
        self._stage = cache(self._stages.labels)
        self._call = cache(self._backend_calls.labels)

    def request(self, handler: str, method: str, status: int, seconds: float) -> None:
        known = method if method in _METHODS else "other"
        self._request(handler, known, status).observe(seconds)

    def called_by(self, key: str) -> None:
        """Count a request by the name of its key, which `API_KEYS` gave it."""
        self._key_requests.labels(key).inc()

    def encoded(self, method: str, endpoint: str, items: int) -> None:
        self._encoding(method, endpoint).inc()
        self._items(method).inc(items)

    def text_cache(self, outcome: str, texts: int) -> None:
        self._looked_up(outcome).inc(texts)

    def refused(self, code: str) -> None:
        """Count a refusal by its error code (a fixed set, see `api.errors` and `clip_runner.pixels`)."""
        if code in ("overloaded", "rate_limited"):
            self._shed.labels(code).inc()
        else:
            self._bad_input.labels(code).inc()

    def backend_call(self, part: str, operation: str, outcome: str) -> None:
        self._call(part, operation, outcome).inc()

    def queued(self, seconds: float) -> None:
        """Count how long a request waited for a call to the runner that it shares."""
        self._stage("queue").observe(seconds)

    @contextmanager
    def stage(self, name: str, timings: dict[str, float]) -> Iterator[None]:
        """Time a stage; its milliseconds are added to `timings[f"{name}_ms"]`."""
        start = perf_counter()
        try:
            yield
        finally:
            seconds = perf_counter() - start
            self._stage(name).observe(seconds)
            key = f"{name}_ms"
            timings[key] = timings.get(key, 0.0) + seconds * 1000

    def exposition(self) -> bytes:
        """The scrape's text, over all processes where there are several."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if not folder:
            return generate_latest(self._registry)
        _forget_dead_processes(Path(folder))
        registry = CollectorRegistry()
        # prometheus_client leaves it untyped.
        multiprocess.MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]  # as said above
        return generate_latest(registry)


def _forget_dead_processes(folder: Path) -> None:
    """Drop the gauges of processes that are gone: nobody else does when one is killed.

    Those with a pid for a label (BentoML's last request time) too, or each restart would add a series.
    """
    for file in [*folder.glob("gauge_live*_*.db"), *folder.glob("gauge_all_*.db")]:
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)
        except PermissionError:
            continue
