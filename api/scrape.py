"""The metrics' text, made aside while there is no room.

Making it takes some 10 ms of computing, and in a flood it is interrupted again and again: of all that is asked of an
instance then, the metrics would come last. So a thread makes the text every other second, and whoever asks gets the
last one; only where there is none yet, or none of late, is it made for the one who asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from loguru import logger

_EVERY = 2.0  # seconds
_LOOK_EVERY = 0.5  # seconds; whether there is no room
_GOOD_FOR = 5.0  # seconds; a thread may be slow as well


class Scrape:
    """What Prometheus is given by a connection that answers at once; at most a few seconds old."""

    def __init__(self, make: Callable[[], bytes], crowded: Callable[[], bool]) -> None:
        """`make`: the text as of now; may run in a thread. `crowded`: whether there is no room, or was none lately."""
        self._make = make
        self._crowded = crowded
        self._text = b""
        self._made = float("-inf")

    def text(self) -> bytes:
        """The text that was made last; where that is too long ago, made now."""
        return self._text if monotonic() - self._made < _GOOD_FOR else self._make()

    async def prepare(self) -> None:
        """Make the text again and again while there is no room, until cancelled."""
        while True:
            while not self._crowded():
                await asyncio.sleep(_LOOK_EVERY)
            began = monotonic()
            try:
                self._text = await asyncio.to_thread(self._make)
                self._made = began
            except Exception:  # whoever asks will be told; this goes on
                logger.exception("the metrics could not be made")
            await asyncio.sleep(_EVERY)
