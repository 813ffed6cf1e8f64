"""Who may enter: by key, by rate, and while there is room. For one event loop."""

from __future__ import annotations

from functools import cached_property

from api.doors import Door, Doors
from api.errors import ApiError, Unauthorized
from api.keys import KeyRing, presented_key
from api.limits import ConcurrencyLimit, RateLimit, client_address
from api.metering import Metrics
from api.settings import ServiceSettings


class Admission:
    """The doors, and what is asked of whoever comes to one."""

    def __init__(self, settings: ServiceSettings, metrics: Metrics) -> None:
        self.doors = Doors(open_docs=settings.open_docs, open_metrics=settings.open_metrics)
        self.room = ConcurrencyLimit(settings.max_concurrency)
        """Of all requests that count towards the limits."""

        self._metrics = metrics
        self._entries = settings.api_keys
        self._rate = RateLimit(settings.rate_limit_per_minute)
        self._trusted = settings.trusted_proxies
        self._drain_file = settings.drain_file

    @property
    def draining(self) -> bool:
        """Whether this instance is about to stop; who is answered then shall not come again."""
        return self._drain_file is not None and self._drain_file.exists()

    @cached_property
    def _keys(self) -> KeyRing:
        """Made at the first request: wrong entries have ended the start by then (`api.safe_settings`)."""
        return KeyRing(self._entries)

    def client(self, peer: tuple[str, int] | None, headers: dict[bytes, bytes]) -> str:
        """The address that a request came from."""
        forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1")
        return client_address((peer or ("unknown", 0))[0], forwarded, self._trusted)

    def knows(self, door: Door, headers: dict[bytes, bytes]) -> bool:
        """Whether the key opens the door; nothing is counted."""
        try:
            if door.scope is not None:
                self._keys.authorise(presented_key(headers), door.scope)
        except ApiError:
            return False
        return True

    def admit(self, door: Door, method: str, headers: dict[bytes, bytes], client: str) -> str | None:
        """Who calls, by key; raises ApiError where the key or the rate does not allow it."""
        caller = None
        # A browser's preflight request never carries a key.
        if door.scope is not None and method != "OPTIONS":
            try:
                caller = self._keys.authorise(presented_key(headers), door.scope)
            except Unauthorized:
                self._rate.take(client)  # whoever tries keys has an allowance, too
                raise
            if caller is not None:
                self._metrics.called_by(caller)
        if door.limited:
            self._rate.take(caller or client)
        return caller
