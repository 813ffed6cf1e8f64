"""How calls become batches: whatever has come goes to the model as soon as it is free."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any

from bentoml._internal.marshal.dispatcher import CorkDispatcher
from loguru import logger


def dispatch_at_once() -> None:
    """Let BentoML's dispatchers begin a batch when a call is there and the last batch has ended.

    Their own loop guesses how long to hold a call back in the hope of company, from the calls before (bentoml 1.4.39:
    up to 11 s while it trains), counting calls and not the items in them: after a load of 32 photos a call, a single
    photo waited for seconds beside an idle model. Calls that come while the model works share the next batch all the
    same. And where a call waits for the model, that loop looks every millisecond whether it is free: under load, a
    tenth of a core for texts and one for photos.
    """
    CorkDispatcher.controller = _dispatch


async def _dispatch(dispatcher: CorkDispatcher[Any, Any]) -> None:
    """One batch after the other; ends when it is cancelled."""
    queue, wake = dispatcher._queue, dispatcher._wake_event
    while True:
        async with wake:
            await wake.wait_for(queue.__len__)
        try:
            while queue and time() - queue[0].enqueue_time >= dispatcher.max_latency:
                queue.popleft().future.cancel()  # answered that there is too much to do
            if calls := tuple(dispatcher._get_inputs()):
                dispatcher._sema.acquire()
                await dispatcher.outbound_call(calls)
        except Exception:  # whoever waits for another batch shall get it
            logger.exception("a batch could not be begun")


def meter_queue(observe: Callable[[float], None]) -> None:
    """Tell `observe` how long each call has waited, in seconds, when its batch begins.

    BentoML keeps when a call came (bentoml 1.4.39: `Job.enqueue_time`) and shows it in no metric.
    """
    begin = CorkDispatcher.outbound_call

    async def metered(dispatcher: Any, calls: tuple[Any, ...], training: bool = False) -> None:
        now = time()
        for call in calls:
            observe(max(0.0, now - call.enqueue_time))
        await begin(dispatcher, calls, training)

    CorkDispatcher.outbound_call = metered
