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
        under_way: int,
        waited: Callable[[float], None],
    ) -> None:
        """Args:
        call: items to as many rows, in their order.
        most: items of one call; a request with more of them has a call of its own.
        under_way: calls at once. With a second one behind it the model need not wait for the next, but all that waits
            is shared between two: half as large batches.
        waited: told of each request how many seconds it waited for its call.
        """
        self._call = call
        self._most = most
        self._under_way = under_way
        self._waited = waited
        self._requests: deque[_Request[T]] = deque()
        self._calls: set[asyncio.Task[None]] = set()

    async def rows(self, items: Sequence[T]) -> NDArray[Any]:
        """A row for each item; raises what the call raised.

        Where a request is cancelled, its items are not sent any more; a call that all its requests have left is
        cancelled too.
        """
        request = _Request(items, asyncio.get_running_loop().create_future(), perf_counter())
        self._requests.append(request)
        self._send()
        try:
            return await request.rows
        except asyncio.CancelledError:
            if request in self._requests:  # not sent yet: nobody holds its photos any longer
                self._requests.remove(request)
            raise

    def _send(self) -> None:
        while len(self._calls) < self._under_way and (together := self._next()):
            # In no request's context: what is logged on the way belongs to all of them.
            call = asyncio.create_task(self._answer(together), context=Context())
            self._calls.add(call)
            call.add_done_callback(self._ended, context=Context())
            for request in together:
                request.rows.add_done_callback(partial(_end_if_left, call, together))

    def _next(self) -> list[_Request[T]]:
        """The requests of the next call, in the order in which they came."""
        together: list[_Request[T]] = []
        items = 0
        while self._requests:
            items += len(self._requests[0].items)
            if together and items > self._most:
                break
            together.append(self._requests.popleft())
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

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._send()


def _end_if_left(call: asyncio.Task[None], together: Sequence[_Request[Any]], _: asyncio.Future[Any]) -> None:
    if all(request.rows.cancelled() for request in together):
        call.cancel()
