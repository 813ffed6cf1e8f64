"""Calls to the runner that several requests share: what comes while it works goes to it together.

The runner batches calls by itself, but each call costs BentoML's client and server 1 to 2 ms of CPU: more than a text
costs the model. Joined before the call, a hundred waiting texts cost that once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

T = TypeVar("T")

_MOST_CALLS = 2  # one that is computed, one behind it


@dataclass(frozen=True, eq=False)
class _Request(Generic[T]):
    items: Sequence[T]
    rows: asyncio.Future[NDArray[Any]]
    came: float


class SharedCalls(Generic[T]):
    """Encodes items of requests, each call with as many of them as wait. Belongs to one event loop."""

    def __init__(
        self,
        call: Callable[[list[T]], Awaitable[NDArray[Any]]],
        *,
        most: int,
        second_from: float,
        waited: Callable[[float], None],
    ) -> None:
        """Args:
        call: items to as many rows, in their order.
        most: items of one call; a request with more of them has a call of its own.
        second_from: while a call is under way, a second one follows it, so that the model need not wait for what is
            done between calls: as soon as it would be so many times as large as the one under way, or full. At 0 it
            follows at once, and often is a small one; at 1 no call is smaller than the one before it, and of a steady
            load each comes to be about half.
        waited: told of each request how many seconds it waited for its call.
        """
        self._call = call
        self._most = most
        self._second_from = second_from
        self._waited = waited
        self._requests: deque[_Request[T]] = deque()
        self._waiting = 0  # items of the requests that are not sent yet
        self._calls: dict[asyncio.Task[None], int] = {}

    async def rows(self, items: Sequence[T]) -> NDArray[Any]:
        """A row for each item; raises what the call raised.

        Where a request is cancelled, its items are not sent any more; a call that all its requests have left is
        cancelled too.
        """
        request = _Request(items, asyncio.get_running_loop().create_future(), perf_counter())
        self._requests.append(request)
        self._waiting += len(items)
        self._send()
        try:
            return await request.rows
        except asyncio.CancelledError:
            if request in self._requests:  # not sent yet: nobody holds its photos any longer
                self._requests.remove(request)
                self._waiting -= len(items)
            raise
        finally:
            # What the call raised holds this frame: no circle shall come of that, in which a body would be kept until
            # the collector comes by.
            del request

    def _send(self) -> None:
        while self._may_send() and (together := self._next()):
            # In no request's context: what is logged on the way belongs to all of them.
            call = asyncio.create_task(self._answer(together), context=Context())
            self._calls[call] = sum(len(request.items) for request in together)
            call.add_done_callback(self._ended, context=Context())
            for request in together:
                request.rows.add_done_callback(partial(_end_if_left, call, together))

    def _may_send(self) -> bool:
        if not self._calls:
            return True
        ahead = self._second_from * sum(self._calls.values())
        return len(self._calls) < _MOST_CALLS and self._waiting >= min(self._most, ahead)

    def _next(self) -> list[_Request[T]]:
        """The requests of the next call, in the order in which they came."""
        together: list[_Request[T]] = []
        items = 0
        while self._requests:
            items += len(self._requests[0].items)
            if together and items > self._most:
                break
            together.append(self._requests.popleft())
            self._waiting -= len(together[-1].items)
        return together

    async def _answer(self, together: Sequence[_Request[T]]) -> None:
        now = perf_counter()
        items = [item for request in together for item in request.items]
        failure: Exception = ConnectionError("the call was ended")
        try:
            for request in together:
                self._waited(now - request.came)
            rows = await self._call(items)
            if len(rows) != len(items):
                raise ConnectionError(f"{len(rows)} rows for {len(items)} items")
            start = 0
            for request in together:
                if not request.rows.done():
                    request.rows.set_result(rows[start : start + len(request.items)])
                start += len(request.items)
        except Exception as error:
            failure = error
        finally:
            for request in together:
                if not request.rows.done():
                    request.rows.set_exception(failure)
            # What failed holds this frame: no circle shall come of that.
            del together, request, items, failure

    def _ended(self, call: asyncio.Task[None]) -> None:
        del self._calls[call]
        self._send()


def _end_if_left(call: asyncio.Task[None], together: Sequence[_Request[Any]], _: asyncio.Future[Any]) -> None:
    if all(request.rows.cancelled() for request in together):
        call.cancel()
