"""How calls become batches: whatever has come goes to the model as soon as it is free, or about to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import time
from typing import Any

from bentoml._internal.marshal.dispatcher import CorkDispatcher, Job
from loguru import logger


def dispatch_at_once(batches: int = 1) -> None:
    """Let each of BentoML's dispatchers begin a batch when a call is there and fewer than so many are under way.

    With two, the second is made ready while the first is computed, and its parts begin wherever the first's have ended.

    Their own loop guesses how long to hold a call back in the hope of company, from the calls before (bentoml 1.4.39:
    up to 11 s while it trains), counting calls and not the items in them: after a load of 32 photos a call, a single
    photo waited for seconds beside an idle model. Calls that come while the model works share the next batch all the
    same. And where a call waits for the model, that loop looks every millisecond whether it is free, on a core that the
    model needs.
    """

    async def controller(dispatcher: CorkDispatcher[Any, Any]) -> None:
        await _dispatch(dispatcher, batches)

    CorkDispatcher.controller = controller


async def _dispatch(dispatcher: CorkDispatcher[Any, Any], most: int) -> None:
    """Batches in the order of their calls. Ends when it is cancelled; batches that are under way go on."""
    queue, wake = dispatcher._queue, dispatcher._wake_event
    under_way: set[asyncio.Task[None]] = set()
    while True:
        async with wake:
            await wake.wait_for(queue.__len__)
        while len(under_way) >= most:
            _, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        calls: list[Job[Any, Any]] = []
        try:
            while queue and time() - queue[0].enqueue_time >= dispatcher.max_latency:
                queue.popleft().future.cancel()  # answered that there is too much to do
            for call in dispatcher._get_inputs():
                calls.append(call)  # one by one: they are known even where taking the next one fails
        except Exception:  # whoever waits for another batch shall get it
            logger.exception("a batch could not be begun")
            _give_up(calls)
        else:
            if calls:
                under_way.add(dispatcher._loop.create_task(_run(dispatcher, calls)))


async def _run(dispatcher: CorkDispatcher[Any, Any], calls: list[Job[Any, Any]]) -> None:
    """One batch, in a task of its own: a panic of the tokenizer's Rust, which is no Exception, ends that task alone."""
    dispatcher._sema.acquire()  # only because the batch releases it: how many there are at once is counted above
    batch = dispatcher._loop.create_task(dispatcher.outbound_call(tuple(calls)))
    try:
        await asyncio.wait({batch})
        if not batch.cancelled() and (error := batch.exception()) is not None:
            logger.opt(exception=error).error("a batch failed")
    finally:
        _give_up(calls)


def _give_up(calls: Sequence[Job[Any, Any]]) -> None:
    """Whoever still waits for one of them is answered that there is too much to do."""
    for call in calls:
        if not call.future.done():
            call.future.cancel()


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
