"""What a load shows to Prometheus, on a port of its own while it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, Counter, Gauge, make_wsgi_app

from etl.errors import EtlError

OUTCOMES = ("encoded", "updated", "unchanged", "failed", "removed", "downloaded")
"""encoded: new or changed photos; updated: only the fields changed; removed: by --prune or delete; downloaded: by
download, without being loaded."""

WAITED_FOR = ("milvus", "store", "service", "source")

STAGES = ("list", "read", "encode", "store", "insert")

_HEARD = 0.05  # seconds until the server's thread hears that it shall end; its own default is half a second
_LINGER = 15.0  # seconds; a scrape that comes every five or ten finds the end of the load


class LoadMetrics:
    """A load's metrics in a registry of their own; label values come from fixed sets."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._items = Counter("etl_items_total", "Items by outcome.", ("outcome",), registry=self.registry)
        self._bytes = Counter("etl_read_bytes_total", "Bytes of photos read.", registry=self.registry)
        self._stages = Counter(
            "etl_stage_seconds_total", "Seconds that threads spent in each stage.", ("stage",), registry=self.registry
        )
        self._waiting = Counter(
            "etl_waiting_seconds_total", "Seconds waited for a part that is away.", ("part",), registry=self.registry
        )
        self._expected = Gauge("etl_expected_items", "Items of the source.", registry=self.registry)
        self._running = Gauge("etl_running", "1 while a load is at work.", registry=self.registry)
        self._progress = Gauge(
            "etl_last_progress_timestamp_seconds", "When the last item came to its outcome.", registry=self.registry
        )
        self._succeeded = Gauge(
            "etl_last_success_timestamp_seconds",
            "When a source's load last ended with no more failures than allowed.",
            ("source",),
            registry=self.registry,
        )
        for outcome in OUTCOMES:
            self._items.labels(outcome)
        for stage in STAGES:
            self._stages.labels(stage)
        # All label values are there from the start: a rate needs the zero before the first rise.
        for part in WAITED_FOR:
            self._waiting.labels(part)

    def start(self, expected: int) -> None:
        self._expected.set(expected)
        self._running.set(1)
        self._progress.set_to_current_time()

    def end(self) -> None:
        self._running.set(0)

    def succeeded(self, source: str, at: float) -> None:
        """Note when a load of this source last succeeded, in seconds of the epoch."""
        self._succeeded.labels(source).set(at)

    def count(self, outcome: str, items: int, size: int) -> None:
        self._items.labels(outcome).inc(items)
        self._bytes.inc(size)
        self._progress.set_to_current_time()

    def waited(self, part: str, seconds: float) -> None:
        self._waiting.labels(part).inc(seconds)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure one piece of work of a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._stages.labels(name).inc(time.perf_counter() - started)


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class MetricsServer:
    """Serves a load's metrics on all addresses of `port` until it is closed."""

    def __init__(self, metrics: LoadMetrics, port: int) -> None:
        self._scraped = threading.Event()
        self._asked = False
        page = make_wsgi_app(metrics.registry)

        def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            self._asked = True
            content: Iterable[bytes] = page(environ, start_response)
            self._scraped.set()
            return content

        try:
            self._server = make_server("", port, answer, WSGIServer, _Quiet)
        except OSError as error:
            raise EtlError(f"the metrics' port {port} cannot be used: {error.strerror}") from error
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(_HEARD,), name="metrics", daemon=True).start()

    def close(self) -> None:
        """Stay until the last values were fetched once more, if anybody ever fetched any; then end."""
        if self._asked:
            self._scraped.clear()
            self._scraped.wait(_LINGER)
        self._server.shutdown()
        self._server.server_close()
