"""Turns of the event loop: when many requests could go on at once, one does in each round.

Answers of the model and of Milvus come for many requests together. Were all of these to go on in the same round of the
loop, nothing else would be heard of for a fifth of a second: no new connection, no question after health.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """For one event loop."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Return in a round of the loop in which nobody else's turn comes."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if len(self._waiting) == 1:
            loop.call_soon(self._next, loop)
        await turn

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        turn = self._waiting.popleft()
        if not turn.done():  # whoever left has cancelled it
            turn.set_result(None)
        if self._waiting:
            loop.call_soon(self._next, loop)
