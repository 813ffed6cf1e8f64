"""Traffic beside which things are done to the system: sent at fixed times, whether or not answers have come."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from types import TracebackType

import aiohttp

from tests.reliability.shots import Shot

TIMEOUT = 60.0
"""Seconds after which the client gives up; longer than the service may take."""


@dataclass(frozen=True)
class Answer:
    """What became of a request; `status` 0: no answer, `trouble` says why."""

    kind: str
    status: int
    sent: float
    """When, on the monotonic clock."""

    seconds: float
    """From the moment it was due."""

    hostile: bool = False
    trouble: str = ""
    part: str = ""
    """Of a 503: the part that is away."""


class Traffic:
    """Sends `per_second` requests from a thread of its own while the context lasts.

    No more than `at_most` are under way: where that is few, a busy machine is sent less instead of more at once.
    """

    def __init__(
        self,
        url: str,
        shot: Callable[[], Shot],
        *,
        per_second: float,
        timeout: float = TIMEOUT,
        at_most: int = 10_000,
    ) -> None:
        self._url = url
        self._shot = shot
        self._every = 1 / per_second
        self._timeout = timeout
        self._room = asyncio.Semaphore(at_most)
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="traffic")
        self._answers: list[Answer] = []

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def answers(self, since: float = 0, until: float = float("inf")) -> list[Answer]:
        """The answers so far to what was sent in that time, on the monotonic clock."""
        return [answer for answer in list(self._answers) if since <= answer.sent < until]

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(self._url, connector=connector, timeout=timeout, trust_env=False) as session,
            asyncio.TaskGroup() as tasks,
        ):
            due = monotonic()
            while not self._end.is_set():
                await self._room.acquire()
                task = tasks.create_task(self._send(session, self._shot(), due))
                task.add_done_callback(lambda _: self._room.release())
                due = max(due + self._every, monotonic() - 1)  # after a stall, not all at once
                await asyncio.sleep(max(0.0, due - monotonic()))

    async def _send(self, session: aiohttp.ClientSession, shot: Shot, due: float) -> None:
        status, trouble, part = 0, "", ""
        try:
            if shot.raw is not None:
                await self._send_raw(shot.raw)
                trouble = "none expected"
            else:
                headers = {"Content-Type": shot.content_type, **shot.headers} if shot.content_type else shot.headers
                async with session.request(shot.method, shot.path, data=shot.body, headers=headers) as answer:
                    content = await answer.json(content_type=None)
                    status = answer.status
                    if status == 503:
                        part = (content["error"].get("details") or {}).get("part", content["error"]["code"])
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            trouble = type(error).__name__
        self._answers.append(Answer(shot.kind, status, due, monotonic() - due, shot.hostile, trouble, part))

    async def _send_raw(self, content: bytes) -> None:
        host, _, port = self._url.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(content)
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.close()


def statuses(answers: Iterable[Answer]) -> Counter[int]:
    """How often each status was answered."""
    return Counter(answer.status for answer in answers)


def percentile(values: Iterable[float], percent: float) -> float:
    """A percentile of values; NaN where there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else float("nan")
