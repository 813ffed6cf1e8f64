"""How much one process takes on: requests under way, requests a minute, and whose address counts."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address

from api.errors import Overloaded, RateLimited
from api.settings import Network

_LATELY = 3.0  # seconds; in a flood the moments with room are far shorter


class ConcurrencyLimit:
    """At most `limit` requests at once; one more is refused at once instead of queued, so that memory is bounded.

    For one event loop: nothing here is awaited between the check and the count.
    """

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.in_flight = 0
        self._clock = clock
        self._was_full = float("-inf")

    @property
    def full(self) -> bool:
        """Whether one more would be refused."""
        return self.in_flight >= self.limit

    @property
    def full_lately(self) -> bool:
        """Whether one more would be, or would have been a moment ago: a flood leaves room now and then, for moments."""
        return self.full or self._clock() - self._was_full < _LATELY

    @contextmanager
    def slot(self) -> Iterator[None]:
        if self.full:
            raise Overloaded(self.limit)
        self.in_flight += 1
        try:
            yield
        finally:
            if self.full:
                self._was_full = self._clock()
            self.in_flight -= 1


class RateLimit:
    """A token bucket for each client: `per_minute` requests a minute, as many at once.

    Kept for the `max_clients` seen last, so that a flood of addresses cannot fill the memory.
    """

    def __init__(
        self, per_minute: int, *, max_clients: int = 10_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_minute = per_minute
        self._max_clients = max_clients
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Count one request of `client`; RateLimited when there have been too many."""
        if self._per_minute == 0:
            return
        now = self._clock()
        tokens, since = self._buckets.pop(client, (float(self._per_minute), now))
        tokens = min(self._per_minute, tokens + (now - since) * self._per_minute / 60)
        if tokens < 1:
            self._buckets[client] = (tokens, now)
            raise RateLimited(max(1, math.ceil((1 - tokens) * 60 / self._per_minute)))
        self._buckets[client] = (tokens - 1, now)
        if len(self._buckets) > self._max_clients:
            self._buckets.popitem(last=False)


def client_address(peer: str, forwarded_for: str | None, trusted: Sequence[Network]) -> str:
    """The address that a request came from.

    `X-Forwarded-For` is believed only as far as trusted proxies wrote it: read from the right, the first
    address that is not a trusted proxy is the client. Anything unreadable ends the search at the last proxy.
    """
    address = peer
    hops = [hop.strip() for hop in (forwarded_for or "").split(",") if hop.strip()]
    while _is_trusted(address, trusted) and hops:
        hop = hops.pop()
        if _parse(hop) is None:
            break
        address = hop
    return address


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    if not trusted:  # the usual case; of what refusing a request costs, reading its address was a seventh
        return False
    parsed = _parse(address)
    return parsed is not None and any(parsed.version == network.version and parsed in network for network in trusted)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
