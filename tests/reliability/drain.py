"""Clients that send without a pause while the service is told to stop."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from local.ports import HOST
from local.processes import Child
from local.servers import http_ok
from tests.reliability.shots import Day

ENDED_WITHIN = 30.0  # seconds
CLIENTS = 6


class Clients:
    """Clients that send one request after the other, each on a new connection, until they are refused."""

    def __init__(self, port: int, *, heed_readiness: bool) -> None:
        self._port = port
        self._heeds = heed_readiness
        self.outcomes: list[tuple[str, float]] = []
        """What became of each request, and when it had been sent, on the monotonic clock."""

        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def join(self) -> list[tuple[str, float]]:
        for thread in self._threads:
            thread.join()
        return self.outcomes

    def _run(self, number: int) -> None:
        day = Day(seed=number)
        while not (self._heeds and not http_ok(f"http://{HOST}:{self._port}/readyz")):
            shot = day.words() if number % 2 else day.several_photos()
            connection = http.client.HTTPConnection(HOST, self._port, timeout=60)
            sent = float("inf")
            try:
                connection.connect()
                headers = {"Content-Type": shot.content_type, "Connection": "close"}
                connection.request("POST", shot.path, shot.body, headers)
                sent = time.monotonic()
                answer = connection.getresponse()
                answer.read()
                outcome = str(answer.status)
            except (OSError, http.client.HTTPException) as error:
                outcome = type(error).__name__
            finally:
                connection.close()
            with self._lock:
                self.outcomes.append((outcome, sent))
            if outcome == "ConnectionRefusedError":
                return


@dataclass(frozen=True)
class Stopped:
    """What the clients saw."""

    before: Counter[str]
    """Of requests that had been sent before SIGTERM; `after`: of all others."""

    after: Counter[str]
    seconds: float
    """From SIGTERM to the end of the service."""


def stop_under_load(child: Child, port: int, *, heed_readiness: bool) -> Stopped:
    """Let clients send for a moment, then tell the service to stop."""
    clients = Clients(port, heed_readiness=heed_readiness)
    time.sleep(3)
    os.kill(child.pid, signal.SIGTERM)
    began = time.monotonic()
    while child.running and time.monotonic() - began < ENDED_WITHIN:
        time.sleep(0.05)
    took = time.monotonic() - began
    seen = clients.join()
    child.stop()
    before = Counter(outcome for outcome, sent in seen if sent < began)
    return Stopped(before, Counter(outcome for outcome, _ in seen) - before, took)


def accepted(log: Path) -> Counter[int]:
    """How the service says that it answered the clients' requests."""
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return Counter(line["status"] for line in lines if line.get("method") == "POST")
