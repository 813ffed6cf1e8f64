"""The gate before everything: it names a request, checks who sends it, bounds it, meters it, and answers errors.

One ASGI middleware around BentoML's router. Pure ASGI, since each layer of a chain costs every request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import cast

from loguru import logger
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.accounting import account_for
from api.admission import Admission
from api.answer_head import PAGE_POLICY, POLICY, carried, request_id, trace_id
from api.doors import Door
from api.errors import ApiError, BodyTooLarge, InternalError, MethodNotAllowed, NotFound, RequestTimeout
from api.metering import Metrics
from api.settings import ServiceSettings
from api.turns import Turns
from telemetry.logs import request_id_var, trace_id_var

_CLIENT_GONE = 499
"""nginx' number for a client that did not wait; only metrics and logs see it. Nothing is sent: there is nobody, and no
layer outside waits for an answer (`api.time_limit`)."""


class Gate:
    """ASGI middleware: `app` is BentoML's router, `public` the application with our routes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        public: ASGIApp,
        settings: ServiceSettings,
        admission: Admission,
        turns: Turns,
        metrics: Metrics,
    ) -> None:
        self._router = app
        self._public = public
        self._metrics = metrics
        self._max_body = int(settings.max_body_mb * 1024 * 1024)
        self._max_body_mb = settings.max_body_mb
        self._timeout = settings.request_timeout
        self._admission = admission
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        started = perf_counter()
        headers = dict(scope["headers"])
        door = self._admission.doors.find(scope["path"])
        policy = PAGE_POLICY if door.page else POLICY
        answer = _Answer(send, request_id(headers), policy, last=self._admission.draining)
        client = self._admission.client(scope.get("client"), headers)
        id_token = request_id_var.set(answer.request_id)
        trace_token = trace_id_var.set(trace_id(headers))
        self._metrics.in_flight.inc()
        caller: str | None = None
        try:
            caller = self._admission.admit(door, scope["method"], headers, client)
            await self._bounded(scope, door, headers, receive, answer)
        except ApiError as error:
            await self._refuse(error, scope, receive, answer)
        except Exception:
            logger.exception("unexpected error in {}", door.handler)
            await self._refuse(InternalError(), scope, receive, answer)
        finally:
            seconds = perf_counter() - started
            status = answer.status or _CLIENT_GONE
            self._metrics.in_flight.dec()
            account_for(
                self._metrics, door, scope["method"], status,
                seconds=seconds, sent=answer.sent, client=client, caller=caller,
            )  # fmt: skip
            request_id_var.reset(id_token)
            trace_id_var.reset(trace_token)

    async def _bounded(
        self, scope: Scope, door: Door, headers: dict[bytes, bytes], receive: Receive, answer: _Answer
    ) -> None:
        if door.limited:
            with self._admission.room.slot():
                await self._timed(scope, headers, receive, answer)
            return
        async with _in_time(self._timeout):
            if door.page:
                await self._page(scope, receive, answer)
            else:
                await self._public(scope, receive, answer)

    async def _page(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Let BentoML's router serve the Swagger page; its errors take our form."""
        if scope["method"] not in ("GET", "HEAD"):
            raise MethodNotAllowed(scope["method"], "GET")
        answer.hold_errors = True
        await self._router(scope, receive, answer)
        if answer.status is None:
            raise NotFound("There is nothing here.")

    async def _timed(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, answer: _Answer) -> None:
        """Read the body, then work on it: no longer than the limit, and only while the client waits."""
        async with _in_time(self._timeout):
            body = await self._read(headers, receive)
            if body is not None:
                await self._while_awaited(scope, body, receive, answer)

    async def _while_awaited(self, scope: Scope, body: bytes, receive: Receive, answer: _Answer) -> None:
        """Work on the request until the client leaves, and go on as if it was done then.

        In the request's own task, which is ended from outside: a task for the work costs a tenth of a small request.
        """
        work = cast("asyncio.Task[None]", asyncio.current_task())
        ended_before = work.cancelling()
        gone = asyncio.ensure_future(receive())
        replayed = done = left = False

        def end(_: asyncio.Future[Message]) -> None:
            nonlocal left
            if not done and not gone.cancelled():
                left = True
                work.cancel()

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await asyncio.shield(gone)
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        gone.add_done_callback(end)
        try:
            await self._turns.take()
            await self._public(scope, replay, answer)
        except asyncio.CancelledError:
            # Of the client that left, unless the time was up as well, or the whole service is about to end.
            if not left or work.uncancel() > ended_before:
                raise
        finally:
            done = True
            gone.cancel()

    async def _read(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """The whole body, or None when the client left; BodyTooLarge as soon as that is certain."""
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._max_body:
            raise BodyTooLarge(self._max_body_mb)
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max_body:
                raise BodyTooLarge(self._max_body_mb)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    async def _refuse(self, error: ApiError, scope: Scope, receive: Receive, answer: _Answer) -> None:
        if error.status < 500:
            self._metrics.refused(error.code)
        if answer.status is None:
            answer.hold_errors = False
            await error.answer()(scope, receive, answer)


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise  # somebody else's
        raise RequestTimeout(seconds) from error


class _Answer:
    """The send side of a request: adds our headers, remembers the status and counts the bytes."""

    def __init__(self, send: Send, request_id: str, policy: bytes, *, last: bool) -> None:
        """`last`: the client shall not send another request on this connection, which is about to be closed."""
        self._send = send
        self.request_id = request_id
        self._more = carried(request_id, policy) + (((b"connection", b"close"),) if last else ())
        self.status: int | None = None
        self.sent = 0
        self.hold_errors = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self.hold_errors and message["status"] >= 400:
                return
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._more]
        elif message["type"] == "http.response.body":
            if self.status is None:
                return  # the body of an error that was held back
            self.sent += len(message.get("body", b""))
        await self._send(message)
