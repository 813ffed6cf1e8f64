"""What an instance says of itself: whether it lives, whether it can serve, and its metrics. Never refused for load."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from api.body import JSON
from api.state import Parts


def alive() -> Response:
    return Response("ok\n", media_type="text/plain")


def readiness(parts: Parts) -> Response:
    health = parts.health
    return Response(orjson.dumps(health.state()), 200 if health.ready else 503, media_type=JSON)


def exposition(text: bytes) -> Response:
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def by_path(parts: Parts) -> Mapping[str, Callable[[], Response]]:
    """The answers to GET, each given at once."""
    return {
        "/livez": alive,
        "/readyz": lambda: readiness(parts),
        "/metrics": lambda: exposition(parts.scrape.text()),
    }
