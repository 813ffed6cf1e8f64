"""What the runner measures itself: the batches as they reach the model. The service's scrape shows it too.

BentoML's `adaptive_batch_size` counts the calls that were joined, not the items in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from time import perf_counter

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

_ITEMS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class BatchMeter:
    """Metrics of a runner process; those of processes that are gone still count."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._items = Histogram(
            "runner_batch_items", "Texts or photos in one batch.", ("method",), buckets=_ITEMS, registry=registry
        )
        self._seconds = Histogram(
            "runner_batch_seconds",
            "Seconds from a batch's beginning to its end.",
            ("method",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._queue = Histogram(
            "runner_queue_seconds",
            "Seconds that a call waits for its batch.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._busy = Counter(
            "runner_busy_seconds",
            "Seconds in which batches were under way; those that were at once share them.",
            ("method",),
            registry=registry,
        )
        self._starts = Counter("runner_starts_total", "Runner processes that became ready.", registry=registry)
        self._shared = _SharedTime()

    def started(self) -> None:
        """Count a start; call it once the model is loaded."""
        self._starts.inc()
        for method in ("text", "image"):  # present from the start, so that the first batch is a rise from zero
            self._items.labels(method)
            self._seconds.labels(method)
            self._busy.labels(method)

    def waited(self, seconds: float) -> None:
        """Count how long a call waited for its batch."""
        self._queue.observe(seconds)

    @contextmanager
    def batch(self, method: str, items: int) -> Iterator[None]:
        """Time a batch; one that fails counts too. Several threads may."""
        start, shared = perf_counter(), self._shared.begin()
        try:
            yield
        finally:
            self._busy.labels(method).inc(self._shared.end() - shared)
            self._seconds.labels(method).observe(perf_counter() - start)
            self._items.labels(method).observe(items)


class _SharedTime:
    """A clock that goes half as fast while two batches are under way, and a third as fast while three are.

    So the seconds of all batches come to the time in which there was any: a model that is always busy takes one in each
    second, however many batches are beside each other.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._lock = Lock()
        self._under_way = 0
        self._time = 0.0
        self._looked = 0.0

    def begin(self) -> float:
        """The time at which another batch begins."""
        with self._lock:
            return self._now(more=1)

    def end(self) -> float:
        """The time at which one of them ends."""
        with self._lock:
            return self._now(more=-1)

    def _now(self, more: int) -> float:
        now = self._clock()
        if self._under_way:
            self._time += (now - self._looked) / self._under_way
        self._looked = now
        self._under_way += more
        return self._time
