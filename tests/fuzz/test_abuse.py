"""Requests that mean harm: each is refused in its terms, none touches another's answer, and memory stays."""

from __future__ import annotations

import socket
import time

from tests.fuzz.abuse import cases
from tests.fuzz.guarded import KEY
from tests.fuzz.neighbours import Neighbours
from tests.fuzz.wire import Raw, request, send
from tests.stack import System

MOST_MB = 400
_MOST_SECONDS = 90.0  # the service's own limit is 60 here


def abuse(system: System, *, key: str = "") -> tuple[int, list[str], Neighbours]:
    """Send all cases while neighbours ask; how many there were, and what was wrong."""
    wrong, number = [], 0
    with Neighbours(system, key=key) as neighbours:
        for name, raw, expected in cases():
            number += 1
            reply = send(system.port, raw.with_header(f"X-API-Key: {key}") if key else raw)
            if reply.status not in expected or "Traceback" in reply.text or reply.seconds > _MOST_SECONDS:
                wrong.append(f"{name}: {reply.status} in {reply.seconds:.1f} s: {reply.text[-300:]}")
    return number, wrong, neighbours


def test_abuse_is_refused_and_touches_nobody(guarded: System) -> None:
    number, wrong, neighbours = abuse(guarded, key=KEY)
    assert number > 300
    assert wrong == []
    assert neighbours.wrong == []
    assert neighbours.asked > 0
    assert neighbours.growth_mb < MOST_MB


def test_connections_that_say_nothing_do_not_hold_up_others(guarded: System) -> None:
    silent = [socket.create_connection(("127.0.0.1", guarded.port)) for _ in range(200)]
    try:
        for connection in silent[:100]:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        begun = time.monotonic()
        assert send(guarded.port, Raw([request("/livez", b"", method="GET")])).status == 200
        assert time.monotonic() - begun < 10
    finally:
        for connection in silent:
            connection.close()
