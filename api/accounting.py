"""What is written down of every request once it has ended: a line in the access log, and the metrics."""

from __future__ import annotations

from api.doors import Door
from api.metering import Metrics
from telemetry.logs import access_logger


def account_for(
    metrics: Metrics,
    door: Door,
    method: str,
    status: int,
    *,
    seconds: float,
    sent: int,
    client: str,
    caller: str | None,
) -> None:
    """`sent` are the bytes of the body; `client` is an address, `caller` the name of a key."""
    metrics.request(door.handler, method, status, seconds)
    access_logger.bind(
        client=client,
        caller=caller or "-",
        method=method,
        path=door.handler,
        status=status,
        duration_ms=round(seconds * 1000, 1),
        bytes=sent,
    ).info("{} {} {}", method, door.handler, status)
