"""Which parts answer: looked at in the background, so that no request has to wait to find out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from loguru import logger

from api.errors import Unavailable
from api.metering import Metrics
from api.settings import ServiceSettings

_STARTING = 0.05
"""Seconds between two looks at a part that has never answered: whoever starts the service waits for that."""

_START = 60.0
"""Seconds for which a part may be about to start; one that stays away is looked at as seldom as any."""

Probe = Callable[[], Awaitable[None]]


class PartWatch:
    """Looks at one part again and again and remembers whether it answered.

    A part that has not been looked at yet is tried (`require` lets requests pass) but is not ready.
    """

    def __init__(self, name: str, probe: Probe, settings: ServiceSettings, metrics: Metrics) -> None:
        self.name = name
        self._probe = probe
        self._interval = settings.probe_interval
        self._timeout = settings.part_timeout
        self._gauge = metrics.backend_up.labels(name)
        self._up: bool | None = None
        self._answered = False  # ever
        self._away = asyncio.Event()

    @property
    def up(self) -> bool:
        return self._up is True

    def require(self) -> None:
        """Raise Unavailable when the last look found the part away."""
        if self._up is False:
            raise Unavailable(self.name)

    async def gone(self) -> None:
        """Return as soon as the part is found away."""
        await self._away.wait()

    async def watch(self) -> None:
        """Look at the part until cancelled."""
        begun = monotonic()
        while True:
            await self.look()
            starting = not self._answered and monotonic() - begun < _START
            await asyncio.sleep(min(self._interval, _STARTING) if starting else self._interval)

    async def look(self) -> None:
        """Look once; at the latest after the time limit the part's state is known."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._probe()
        except Exception as error:  # whatever a probe raises: the part is away
            self._set(False, error)
        else:
            self._set(True, None)

    def _set(self, up: bool, error: Exception | None) -> None:
        if up != self._up:
            if up:
                logger.info("{} answers", self.name)
            else:
                logger.warning("{} is away: {}", self.name, error or type(error).__name__)
        self._up = up
        self._answered |= up
        self._gauge.set(int(up))
        if up:
            self._away.clear()
        else:
            self._away.set()


class Health:
    """The three parts behind the service, watched from start to end.

    While `drain_file` exists this instance is about to stop: it answers whatever still comes, and is not ready.
    """

    def __init__(
        self, runner: PartWatch, milvus: PartWatch, store: PartWatch, *, drain_file: Path | None = None
    ) -> None:
        self.runner = runner
        self.milvus = milvus
        self.store = store
        self._drain_file = drain_file

    @property
    def draining(self) -> bool:
        return self._drain_file is not None and self._drain_file.exists()

    @property
    def ready(self) -> bool:
        return all(part.up for part in (self.runner, self.milvus, self.store)) and not self.draining

    def state(self) -> Mapping[str, Any]:
        """The answer of `/readyz`."""
        parts = {part.name: part.up for part in (self.runner, self.milvus, self.store)}
        return {"ready": self.ready, "draining": self.draining, "parts": parts}

    async def watch(self) -> None:
        """Watch all parts until cancelled."""
        async with asyncio.TaskGroup() as group:
            for part in (self.runner, self.milvus, self.store):
                group.create_task(part.watch())
