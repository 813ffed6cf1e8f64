"""The page's own metrics; scraped on a port of their own, so that they never share the shoppers' door."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)


class Metrics:
    """Counts of one page process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.searches = Counter(
            "fashion_ui_searches_total",
            "Searches by outcome: found, nothing, or why not.",
            ["outcome"],
            registry=self.registry,
        )
        self.page_seconds = Histogram(
            "fashion_ui_page_seconds",
            "Seconds to build the page once, calls to the service included.",
            ["view"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.api_seconds = Histogram(
            "fashion_ui_api_seconds", "Seconds of one call to the service.", buckets=_SECONDS, registry=self.registry
        )

    def serve(self, host: str, port: int) -> None:
        """Answer scrapes at `/metrics` from a thread. OSError when the port is taken."""
        start_http_server(port, host, registry=self.registry)


@cache
def process_metrics(host: str, port: int) -> Metrics:
    """The process's metrics, scraped from the first call on; port 0: nowhere."""
    metrics = Metrics()
    if port:
        metrics.serve(host, port)
    return metrics
