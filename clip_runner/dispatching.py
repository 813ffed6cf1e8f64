"""How calls become batches: whatever has come goes to the model as soon as it is free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import time
from typing import Any

from bentoml._internal.marshal.dispatcher import CorkDispatcher, Job
from loguru import logger


def dispatch_at_once() -> None:
    """Let BentoML's dispatchers begin a batch when a call is there and the last batch has ended.

    Their own loop guesses how long to hold a call back in the hope of company, from the calls before (bentoml 1.4.39:
    up to 11 s while it trains), counting calls and not the items in them: after a load of 32 photos a call, a single
    photo waited for seconds beside an idle model. Calls that come while the model works share the next batch all the
    same. And where a call waits for the model, that loop looks every millisecond whether it is free, on a core that the
    model needs.
    """
    CorkDispatcher.controller = _dispatch


async def _dispatch(dispatcher: CorkDispatcher[Any, Any]) -> None:
    """One batch after the other; ends when it is cancelled."""
    queue, wake = dispatcher._queue, dispatcher._wake_event
    while True:
        async with wake:
            await wake.wait_for(queue.__len__)
        calls: list[Job[Any, Any]] = []
        try:
            while queue and time() - queue[0].enqueue_time >= dispatcher.max_latency:
                queue.popleft().future.cancel()  # answered that there is too much to do
            for call in dispatcher._get_inputs():
                calls.append(call)  # one by one: they are known even where taking the next one fails
            if calls:
                await _run(dispatcher, calls)
        except Exception:  # whoever waits for another batch shall get it
            logger.exception("a batch could not be begun")
        finally:
            for call in calls:
                if not call.future.done():
                    call.future.cancel()


async def _run(dispatcher: CorkDispatcher[Any, Any], calls: list[Job[Any, Any]]) -> None:
    """One batch, in a task of its own: a panic of the tokenizer's Rust, which is no Exception, ends that task alone."""
    dispatcher._sema.acquire()  # only because the batch releases it: this loop has one batch at a time as it is
    batch = dispatcher._loop.create_task(dispatcher.outbound_call(tuple(calls)))
    await asyncio.wait({batch})
    if not batch.cancelled() and (error := batch.exception()) is not None:
        logger.opt(exception=error).error("a batch failed")


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
