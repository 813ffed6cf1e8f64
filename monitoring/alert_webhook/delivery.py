"""Takes messages from the spool to Discord: in order, with patience, each until it is taken or given up."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time

import httpx
from loguru import logger

from monitoring.alert_webhook.metrics import WebhookMetrics
from monitoring.alert_webhook.settings import WebhookSettings
from monitoring.alert_webhook.spool import Spool, Waiting

_FIRST_WAIT = 1.0  # seconds; doubled at each attempt
_LOOK = 1.0  # seconds between two looks at the metrics while nothing happens


class Refused(Exception):
    """Discord will never take this message; the text is its reason."""


class TryLater(Exception):
    """Discord did not take the message now; `wait` is how long it asked for, in seconds, where it did."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Delivery:
    """Delivers what lies in the spool, also what a former process left there."""

    def __init__(self, spool: Spool, client: httpx.AsyncClient, settings: WebhookSettings, metrics: WebhookMetrics):
        self._spool = spool
        self._client = client
        self._url = settings.discord_webhook_url.get_secret_value()
        self._give_up = settings.alert_webhook_give_up
        self._max_wait = settings.alert_webhook_max_wait
        self._metrics = metrics
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Something new lies in the spool."""
        self._news.set()

    async def run(self) -> None:
        """Deliver until cancelled. A message that was under way then is delivered by the next process."""
        while True:
            self._news.clear()
            try:
                self._measure()
                for message in self._spool.waiting():
                    await self._deliver(message)
                self._measure()
            except OSError as error:  # the disk: what waits still waits
                logger.error("the spool cannot be read or written: {}", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _LOOK)

    async def _deliver(self, message: Waiting) -> None:
        wait = _FIRST_WAIT
        while True:
            try:
                await self._post(message)
                self._spool.done(message)
                self._metrics.messages.labels("delivered" if self._url else "dry").inc()
                return
            except Refused as error:
                self._bury(message, "refused", str(error))
                return
            except TryLater as error:
                jitter = random.uniform(0.75, 1.25)  # noqa: S311 - so that messages do not come in step
                pause = error.wait if error.wait is not None else wait * jitter
                pause = min(pause, self._max_wait)
                if time.time() + pause - message.taken_at > self._give_up:
                    self._bury(message, "too_old", str(error))
                    return
                logger.warning("Discord did not take a message: {}; again in {:.1f} s", error, pause)
                await self._sleep(pause)
                wait = min(wait * 2, self._max_wait)

    async def _post(self, message: Waiting) -> None:
        if not self._url:
            logger.bind(message_body=message.body).info("dry mode: {}", message.body["content"])
            return
        try:
            # wait=true: Discord answers only when the message is stored.
            answer = await self._client.post(self._url, params={"wait": "true"}, json=message.body)
        except httpx.HTTPError as error:
            self._metrics.attempts.labels("none").inc()
            raise TryLater(f"no answer ({type(error).__name__})") from error
        self._metrics.attempts.labels(str(answer.status_code)).inc()
        if answer.is_success:
            return
        if answer.status_code == 429 or answer.status_code >= 500:
            raise TryLater(f"it answered {answer.status_code}", _asked_wait(answer))
        raise Refused(f"{answer.status_code}: {answer.text[:500]}")

    def _bury(self, message: Waiting, reason: str, detail: str) -> None:
        place = self._spool.bury(message, detail)
        self._metrics.dead_letters.labels(reason).inc()
        self._metrics.messages.labels("dead").inc()
        logger.error("an alert did not reach Discord ({}: {}); it is kept in {}", reason, detail, place)

    def _measure(self) -> None:
        waiting = self._spool.waiting()
        self._metrics.pending.set(len(waiting))
        self._metrics.oldest.set(max(0.0, time.time() - waiting[0].taken_at) if waiting else 0)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, and keep the age of what waits up to date meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._measure()
            await asyncio.sleep(min(left, _LOOK))


def _asked_wait(answer: httpx.Response) -> float | None:
    """Seconds that Discord asks to wait: `retry_after` of its answer, or the header; at least a moment."""
    try:
        return max(0.05, float(answer.json()["retry_after"]))
    except (ValueError, KeyError, TypeError):
        pass
    try:
        return max(0.05, float(answer.headers["Retry-After"]))
    except (ValueError, KeyError):
        return None
