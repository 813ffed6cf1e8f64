"""The load generator: so many requests in flight, or so many a second."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import uvloop

from benchmarks.connections import Connection, Request


@dataclass(frozen=True)
class Outcome:
    """What a load came to. Items and latencies are those of answers with status 200 alone."""

    seconds: float
    items: float
    """Items answered within these seconds; of a request that lay across an end of them, the share that lay within."""

    latencies: tuple[float, ...]
    """Seconds of the requests that were sent within them."""

    statuses: dict[int, int]
    answered: int
    """Items answered in all, also before and after: what the server's CPU time was spent on."""

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds

    def latency(self, percent: float) -> float:
        """A percentile of the latencies, in seconds."""
        return float(np.percentile(self.latencies, percent)) if self.latencies else float("nan")

    @property
    def failed(self) -> int:
        return sum(count for status, count in self.statuses.items() if status != 200)


class _Tally:
    def __init__(self) -> None:
        self.items = 0.0
        self.answered = 0
        self.latencies: list[float] = []
        self.statuses: dict[int, int] = {}

    def add(self, status: int, items: int, seconds: float, *, within: float = 1.0, sent_within: bool = True) -> None:
        """Count an answer; `within` is the share of its time that lay in the window."""
        if within > 0:
            self.statuses[status] = self.statuses.get(status, 0) + 1
        if status != 200:
            return
        self.answered += items
        self.items += items * within
        if sent_within:
            self.latencies.append(seconds)

    def outcome(self, seconds: float) -> Outcome:
        return Outcome(seconds, self.items, tuple(self.latencies), self.statuses, self.answered)


def closed_loop(
    url: str, requests: Sequence[Request], *, in_flight: int, seconds: float, warm_up: float = 2.0
) -> Outcome:
    """Keep `in_flight` requests under way, one after another on each connection, and count those after the warm-up.

    All that were sent in time are waited for, under the same load: none of them ends on an idle server.
    """
    return _run(_closed(url, itertools.cycle(requests), in_flight, seconds, warm_up))


def count_loop(url: str, requests: Sequence[Request], *, in_flight: int, count: int) -> Outcome:
    """Send exactly `count` requests, `in_flight` at a time."""
    return _run(_counted(url, itertools.cycle(requests), in_flight, count))


def open_loop(url: str, requests: Sequence[Request], *, per_second: float, seconds: float) -> Outcome:
    """Send at fixed times, whether or not answers have come.

    A latency begins when its request was due: a server that stalls cannot hide it by holding the generator up
    (coordinated omission).
    """
    return _run(_open(url, itertools.cycle(requests), per_second, seconds))


async def _closed(
    url: str, requests: itertools.cycle[Request], in_flight: int, seconds: float, warm_up: float
) -> Outcome:
    tally = _Tally()
    begin = perf_counter() + warm_up
    end = begin + seconds
    left = 0  # requests that were sent in time and are not answered yet

    async def visitor(connection: Connection) -> None:
        nonlocal left
        while (started := perf_counter()) < end or left:
            request, in_time = next(requests), started < end
            left += in_time
            status = await connection.send(request)
            left -= in_time
            done = perf_counter()
            within = max(0.0, min(done, end) - max(started, begin)) / (done - started)
            tally.add(status, request.items, done - started, within=within, sent_within=begin <= started < end)

    with _connections(url, in_flight) as connections:
        await asyncio.gather(*map(visitor, connections))
    return tally.outcome(seconds)


async def _counted(url: str, requests: itertools.cycle[Request], in_flight: int, count: int) -> Outcome:
    tally, left = _Tally(), iter(range(count))

    async def visitor(connection: Connection) -> None:
        for _ in left:
            started, request = perf_counter(), next(requests)
            status = await connection.send(request)
            tally.add(status, request.items, perf_counter() - started)

    begin = perf_counter()
    with _connections(url, in_flight) as connections:
        await asyncio.gather(*map(visitor, connections))
    return tally.outcome(perf_counter() - begin)


async def _open(url: str, requests: itertools.cycle[Request], per_second: float, seconds: float) -> Outcome:
    tally = _Tally()
    begin = perf_counter()

    async def one(request: Request, due: float) -> None:
        if idle:
            connection = idle.pop()
        else:
            opened.append(connection := Connection(url))
        status = await connection.send(request)
        idle.append(connection)
        tally.add(status, request.items, perf_counter() - due)

    idle: list[Connection] = []
    with _connections(url, 0) as opened:
        async with asyncio.TaskGroup() as tasks:
            for number in range(round(per_second * seconds)):
                due = begin + number / per_second
                await asyncio.sleep(max(0.0, due - perf_counter()))
                tasks.create_task(one(next(requests), due))
    return tally.outcome(perf_counter() - begin)


def _run(load: Coroutine[None, None, Outcome]) -> Outcome:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load)


@contextmanager
def _connections(url: str, count: int) -> Iterator[list[Connection]]:
    """So many connections; those in the list are closed at the end."""
    connections = [Connection(url) for _ in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()
