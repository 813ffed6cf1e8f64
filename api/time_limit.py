"""BentoML's own limit on how long a request may take, which is not needed beside the gate's."""

from __future__ import annotations

from bentoml._internal.server.http.traffic import TimeoutMiddleware
from starlette.types import Receive, Scope, Send


def leave_time_to_the_gate() -> None:
    """Let BentoML's limit be, in each process that this is called in: the gate ends requests in time.

    A call of the runner ends with the request that waits for it (`clip_runner.abandoned`). BentoML makes one more task
    of each request, and keeps a timer, a future and a context of it until its limit, ended or not (bentoml 1.4.39):
    after half a minute of a flood these were 17,000, and the collector's looks through them stopped the event loop for
    50 to 150 ms, every second or so.
    """
    TimeoutMiddleware.__call__ = _through


async def _through(self: TimeoutMiddleware, scope: Scope, receive: Receive, send: Send) -> None:
    await self.app(scope, receive, send)
