"""Calls that nobody waits for any more: ended, and what they had queued is not encoded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from bentoml._internal.marshal.dispatcher import CorkDispatcher, Job
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _CallerGone(BaseException):
    """Not an Exception: on its way up to `AbandonedCalls` nobody may take it for an error to log and to answer."""


_gone: ContextVar[asyncio.Event | None] = ContextVar("caller_gone", default=None)


def drop_abandoned_calls() -> None:
    """Keep BentoML's dispatcher from encoding what nobody waits for (bentoml 1.4.39 encodes it all the same)."""
    wait_for_result, take, split = CorkDispatcher.inbound_call, CorkDispatcher._get_inputs, CorkDispatcher.split_job

    async def inbound_call(self: CorkDispatcher[Any, Any], data: Any) -> Any:
        try:
            return await wait_for_result(self, data)
        except asyncio.CancelledError:
            _forget(self)  # now: the batch before may never end
            if (gone := _gone.get()) is not None and gone.is_set():
                raise _CallerGone from None
            raise

    def get_inputs(self: CorkDispatcher[Any, Any], num_batches: int | None = None) -> Iterator[Job[Any, Any]]:
        _forget(self)
        jobs: Iterator[Job[Any, Any]] = take(self, num_batches)
        return jobs

    def split_job(
        self: CorkDispatcher[Any, Any], job: Job[Any, Any], indexes: list[int]
    ) -> tuple[Job[Any, Any], Job[Any, Any]]:
        first, second = split(self, job, indexes)
        # Without it the second half would be encoded for a caller that left during the first.
        job.future.add_done_callback(lambda future: second.future.cancel() if future.cancelled() else None)
        return first, second

    CorkDispatcher.inbound_call = inbound_call
    CorkDispatcher._get_inputs = get_inputs
    CorkDispatcher.split_job = split_job


def _forget(dispatcher: CorkDispatcher[Any, Any]) -> None:
    """Drop what nobody waits for from the queue."""
    queue = dispatcher._queue
    wanted = [job for job in queue if not job.future.done()]
    if len(wanted) < len(queue):
        queue.clear()
        queue.extend(wanted)


class AbandonedCalls:
    """ASGI middleware of the runner: a call whose caller hung up is ended, and what it queued is not encoded."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gone = asyncio.Event()
        _gone.set(gone)
        answered = False
        watching: asyncio.Task[Message] | None = None
        work = asyncio.current_task()

        def left(watch: asyncio.Task[Message]) -> None:
            # The end of an answer is told in the same way as a caller that hung up.
            if not watch.cancelled() and not answered and work is not None:
                gone.set()
                work.cancel()

        async def receive_and_watch() -> Message:
            nonlocal watching
            if watching is not None:
                return await asyncio.shield(watching)
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body", False):
                watching = asyncio.ensure_future(_receive(receive))
                watching.add_done_callback(left)
            return message

        async def send_and_note(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, receive_and_watch, send_and_note)
        except (_CallerGone, asyncio.CancelledError):
            if not gone.is_set():
                raise
            if work is not None:
                work.uncancel()
            # Nobody reads it, but where the runner is served alone, BentoML's time limit around this keeps a call until
            # it is answered.
            await send({"type": "http.response.start", "status": 499, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        finally:
            if watching is not None:
                watching.cancel()


async def _receive(receive: Receive) -> Message:
    return await receive()
