"""Waiting for a part that is away, and saying so."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from catalog.errors import StoreUnavailable
from etl.errors import EtlError, Stopped

_SHORTEST, _LONGEST = 0.5, 5.0  # seconds between two tries; they grow with the time that the part is away
_SAY_EVERY = 10.0  # seconds
_NAMES = {"milvus": "Milvus", "store": "the object store", "service": "the service", "source": "the source"}

T = TypeVar("T")
P = ParamSpec("P")


@dataclass
class _Outage:
    since: float
    said: float


class Patience:
    """What all threads of a load know of the parts that are away. Thread-safe.

    A part is away from its first failure until somebody reaches it again; while it is, whoever needs it waits, and
    what is waited for is said once, then every ten seconds.
    """

    def __init__(
        self,
        limit: float,
        say: Callable[[str], None],
        stop: threading.Event,
        waited: Callable[[str, float], None] = lambda *_: None,
    ) -> None:
        """Args:
        limit: seconds that a part may be away in a row.
        say: tells people.
        stop: ends all waiting.
        waited: is told of an outage that ended, with the part and the seconds.
        """
        self._limit = limit
        self._say = say
        self._stop = stop
        self._waited = waited
        self._lock = threading.Lock()
        self._outages: dict[str, _Outage] = {}
        self.reached: Counter[str] = Counter()
        """How often each part was reached."""

    def call(self, part: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a store until it answers; whatever is called so can be repeated. EtlError when it never does."""
        while True:
            try:
                result = function(*args, **kwargs)
            except StoreUnavailable as error:
                self.away(part, str(error))
            else:
                self.back(part)
                return result

    def away(self, part: str, why: str, *, asked: float = 0) -> None:
        """Wait a moment, at least the `asked` seconds; EtlError when the part has been away for too long."""
        name = _NAMES.get(part, part)
        now = time.monotonic()
        with self._lock:
            is_new = part not in self._outages
            outage = self._outages.setdefault(part, _Outage(now, now))
            gone = now - outage.since
            say_again = now - outage.said > _SAY_EVERY
            if say_again:
                outage.said = now
        if gone > self._limit:
            raise EtlError(f"{why}; gave up after {self._limit:.0f} s. Run it again when {name} answers")
        if is_new:
            self._say(f"{name} is away ({why}); waiting for it, trying again")
        elif say_again:
            self._say(f"still waiting for {name}, {gone:.0f} s")
        if self._stop.wait(max(asked, min(max(gone / 2, _SHORTEST), _LONGEST))):
            raise Stopped

    def back(self, part: str) -> None:
        """The part was reached."""
        with self._lock:
            self.reached[part] += 1
            outage = self._outages.pop(part, None)
        if outage is not None:
            self._waited(part, time.monotonic() - outage.since)
            self._say(f"{_NAMES.get(part, part)} is back after {time.monotonic() - outage.since:.0f} s")
