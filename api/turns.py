"""Turns of the event loop: of many requests that could go on at once, a few do in each round.

Answers of the model and of Milvus come for many requests together. Were all of these to go on in the same round of the
loop, nothing else would be heard of for a fifth of a second: no new connection, no question after health.
"""

from __future__ import annotations

import asyncio
from collections import deque

_SECONDS_A_TURN = 0.0025
"""One goes on in each round of the loop, and one more for each of these that the round before took: a flood that makes
rounds long must not make turns rare."""


class Turns:
    """For one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Return in a round of the loop in which few others go on."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._next, loop, loop.time())
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop, last: float) -> None:
        now = loop.time()
        for _ in range(min(1 + int((now - last) / _SECONDS_A_TURN), len(self._waiting))):
            turn = self._waiting.popleft()
            if not turn.done():  # whoever left has cancelled it
                turn.set_result(None)
        if self._waiting:
            loop.call_soon(self._next, loop, now)
