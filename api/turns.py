"""Turns of the event loop: of many requests that could go on at once, a few do in each round.

Answers of the model and of Milvus come for many requests together. Were all of these to go on in the same round of the
loop, nothing else would be heard of for a fifth of a second: no new connection, no question after health.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter

_LEAST_A_TURN = 1e-4  # seconds; less is a request that had ended


class Turns:
    """For one event loop: turns take as much of a round as all else in it, within a bound, and one goes on in any case.

    So turns are not rare where rounds are long, and do not make them ever longer: what a request does after its turn
    counts as all else.
    """

    def __init__(self, most: Callable[[], float]) -> None:
        """`most`: seconds of a round, at most, for turns; asked in each round."""
        self._most = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._began = 0.0
        self._going_round = False

    async def take(self) -> None:
        """Return in a round of the loop in which few others go on."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if not self._going_round:
            self._going_round = True
            loop.call_soon(self._let_go_on, loop, 1)
        await turn

    def _let_go_on(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        """Give so many their turn in the next round, and look there how long they took."""
        given, told = 0, perf_counter()
        loop.call_soon(self._begin)
        while given < most and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # whoever left has cancelled it
                turn.set_result(None)
                given += 1
        self._going_round = given > 0
        if given:
            loop.call_soon(self._end, loop, given, told)

    def _begin(self) -> None:
        self._began = perf_counter()

    def _end(self, loop: asyncio.AbstractEventLoop, given: int, told: float) -> None:
        """Called right after those that went on: all else in the round lies between `told` and when they began."""
        one = max((perf_counter() - self._began) / given, _LEAST_A_TURN)
        self._let_go_on(loop, max(1, int(min(self._began - told, self._most()) / one)))
