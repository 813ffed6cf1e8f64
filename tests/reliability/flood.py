"""More requests than can be served: a client so lean that it can ask for ten times that on the service's own machine.

A process of its own (`python -m tests.reliability.flood`), so that it takes no time from whoever watches.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

from tests.reliability.shots import Shot, as_form, as_json, photos

_MOST_CONNECTIONS = 2000
_IDLE = 3.0  # seconds that a connection may be unused; the service closes it after five
_NICE = 10
_LAST_ANSWERS = 40.0  # seconds that answers may still take at the end


@dataclass(frozen=True)
class Flooded:
    """What was sent, and what came of it; `accepted` are the seconds of answers with status 200, from sent to whole."""

    seconds: float
    sent: int
    late: float
    """Seconds by which the one that was sent latest was behind its time."""
    statuses: dict[str, int]
    accepted: list[float]
    refused: list[float]
    troubles: dict[str, int]
    """Requests without an answer, and refusals that do not say when to come again, by the reason."""


def searches() -> list[Shot]:
    """By words and by photo, in turn."""
    shown = photos()[:16]
    return [
        shot
        for number, photo in enumerate(shown)
        for shot in (
            as_json("words", "/search-image", {"query": f"black leather jacket {number}", "top_k": 5}),
            as_form("photo", "/search-image", [("file", ("p.jpg", photo)), ("top_k", "5")]),
        )
    ]


def start_flood(url: str, *, per_second: float, seconds: float) -> subprocess.Popen[str]:
    """Begin; `flooded` waits for its end."""
    command = [sys.executable, "-m", "tests.reliability.flood", url, str(per_second), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def flooded(process: subprocess.Popen[str]) -> Flooded:
    try:
        out, _ = process.communicate()
    finally:
        process.kill()  # nothing to one that has ended; in a session of its own, Ctrl-C does not reach it
    assert process.returncode == 0
    return Flooded(**json.loads(out))


class _Connection(asyncio.Protocol):
    """One request at a time, over a connection that is kept."""

    def __init__(self, flood: _Flood) -> None:
        self._flood = flood
        self.transport: Any = None
        self._waiting: bytes | None = None
        self._sent = 0.0
        self.since = 0.0  # when it became idle
        self._got = bytearray()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self._waiting is not None:
            transport.write(self._waiting)

    def send(self, request: bytes) -> None:
        self._waiting, self._sent = request, perf_counter()
        self._got.clear()
        if self.transport is not None:
            self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0 or self._waiting is None:
            return
        head = bytes(self._got[:end]).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(self._got) >= end + 4 + length:
            self._waiting = None
            status = head[9:12].decode()
            if status in ("429", "503") and b"\r\nretry-after:" not in head:
                self._flood.troubles[f"{status} without Retry-After"] += 1
            closes = b"connection: close" in head
            self._flood.answered(self, status, perf_counter() - self._sent, again=not closes)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting is not None:
            self._waiting = None
            self._flood.failed(type(error).__name__ if error else "closed without an answer")
        self._flood.forget(self)


class _Flood:
    def __init__(self, url: str, shots: Sequence[Shot]) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._requests = [_request(shot, parts.netloc) for shot in shots]
        self._idle: deque[_Connection] = deque()
        self._open = 0
        self.under_way = 0
        self.sent = 0
        self.statuses: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()
        self.accepted: list[float] = []
        self.refused: list[float] = []

    async def run(self, per_second: float, seconds: float) -> Flooded:
        loop = asyncio.get_running_loop()
        begin = perf_counter()
        opening: set[asyncio.Task[None]] = set()
        late = 0.0
        while (now := perf_counter() - begin) < seconds:
            late = max(late, now - self.sent / per_second)
            for _ in range(int(now * per_second) - self.sent):
                request = self._requests[self.sent % len(self._requests)]
                self.sent += 1
                if (connection := self._fresh()) is not None:
                    self.under_way += 1
                    connection.send(request)
                elif self._open < _MOST_CONNECTIONS:
                    self.under_way += 1
                    self._open += 1
                    task = loop.create_task(self._connect(request))
                    opening.add(task)
                    task.add_done_callback(opening.discard)
                else:
                    self.troubles["no connection left"] += 1
            await asyncio.sleep(0.002)
        spent = perf_counter() - begin
        end = perf_counter() + _LAST_ANSWERS
        while self.under_way and perf_counter() < end:
            await asyncio.sleep(0.05)
        if self.under_way:
            self.troubles["no answer at all"] += self.under_way
        return Flooded(spent, self.sent, late, dict(self.statuses), self.accepted, self.refused, dict(self.troubles))

    def _fresh(self) -> _Connection | None:
        """One that the service is not about to close: a request that crosses its close gets no answer."""
        while self._idle and perf_counter() - self._idle[0].since > _IDLE:
            self._idle.popleft().transport.close()
        return self._idle.pop() if self._idle else None

    async def _connect(self, request: bytes) -> None:
        connection = _Connection(self)
        connection.send(request)
        try:
            await asyncio.get_running_loop().create_connection(lambda: connection, self._host, self._port)
        except OSError as error:
            self.failed(type(error).__name__)
            self._open -= 1

    def answered(self, connection: _Connection, status: str, seconds: float, *, again: bool) -> None:
        self.under_way -= 1
        self.statuses[status] += 1
        (self.accepted if status == "200" else self.refused).append(seconds)
        if again:
            connection.since = perf_counter()
            self._idle.append(connection)

    def failed(self, why: str) -> None:
        self.under_way -= 1
        self.troubles[why] += 1

    def forget(self, connection: _Connection) -> None:
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)


def _request(shot: Shot, host: str) -> bytes:
    body = shot.body or b""
    head = f"{shot.method} {shot.path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {shot.content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _step_back() -> None:
    """Take only what the service leaves of the cores: a client on a machine of its own takes nothing from it.

    It is the rate that counts, and whether it was really sent is looked at. Where the system shares the cores among
    sessions first (Linux' autogroup), the whole session's part is what to lower.
    """
    os.nice(_NICE)
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICE))


if __name__ == "__main__":
    _step_back()
    done = asyncio.run(_Flood(sys.argv[1], searches()).run(float(sys.argv[2]), float(sys.argv[3])))
    sys.stdout.write(json.dumps(asdict(done)))
