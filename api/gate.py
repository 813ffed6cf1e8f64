"""The gate before everything: it names a request, checks who sends it, bounds it, meters it, and answers errors.

One ASGI middleware around BentoML's router. Pure ASGI, since each layer of a chain costs every request.
"""

from __future__ import annotations

import asyncio
import re
from time import perf_counter
from uuid import uuid4

from loguru import logger
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.doors import Door, Doors
from api.errors import (
    ApiError,
    BodyTooLarge,
    InternalError,
    MethodNotAllowed,
    NotFound,
    RequestTimeout,
    Unauthorized,
)
from api.keys import KeyRing, presented_key
from api.limits import ConcurrencyLimit, RateLimit, client_address
from api.metering import Metrics
from api.settings import ServiceSettings
from telemetry.logs import access_logger, request_id_var, trace_id_var

# What a client may choose as its request's id: short, and harmless in any log.
_PLAUSIBLE_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_CLIENT_GONE = 499  # nginx' number for a client that did not wait; only metrics and logs see it

_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)
# Answers are data: nothing in them may run or be loaded, should a browser ever show one.
_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# The Swagger page loads its own assets, and calls this service.
_PAGE_POLICY = (
    b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; "
    b"base-uri 'none'; form-action 'self'"
)


class Gate:
    """ASGI middleware: `app` is BentoML's router, `public` the application with our routes."""

    def __init__(self, app: ASGIApp, *, public: ASGIApp, settings: ServiceSettings, metrics: Metrics) -> None:
        self._router = app
        self._public = public
        self._metrics = metrics
        self._max_body = int(settings.max_body_mb * 1024 * 1024)
        self._max_body_mb = settings.max_body_mb
        self._timeout = settings.request_timeout
        self._trusted = settings.trusted_proxies
        self._keys = KeyRing(settings.api_keys)
        self._concurrency = ConcurrencyLimit(settings.max_concurrency)
        self._rate = RateLimit(settings.rate_limit_per_minute)
        self._doors = Doors(open_docs=settings.open_docs, open_metrics=settings.open_metrics)
        self._drain_file = settings.drain_file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._router(scope, receive, send)
            return
        started = perf_counter()
        headers = dict(scope["headers"])
        door = self._doors.find(scope["path"])
        policy = _PAGE_POLICY if door.page else _POLICY
        draining = self._drain_file is not None and self._drain_file.exists()
        answer = _Answer(send, _request_id(headers), policy, last=draining)
        client = client_address(
            (scope.get("client") or ("unknown", 0))[0],
            headers.get(b"x-forwarded-for", b"").decode("latin-1"),
            self._trusted,
        )
        id_token = request_id_var.set(answer.request_id)
        trace_token = trace_id_var.set(_trace_id(headers))
        self._metrics.in_flight.inc()
        caller: str | None = None
        try:
            caller = self._admit(scope, door, headers, client)
            await self._bounded(scope, door, headers, receive, answer)
        except ApiError as error:
            await self._refuse(error, scope, receive, answer)
        except Exception:
            logger.exception("unexpected error in {}", door.handler)
            await self._refuse(InternalError(), scope, receive, answer)
        finally:
            seconds = perf_counter() - started
            status = answer.status or _CLIENT_GONE
            if answer.status is None:
                # Nobody reads it, but BentoML's own time limit around this gate keeps the request until it is answered.
                await Response(status_code=_CLIENT_GONE)(scope, receive, send)
            self._metrics.in_flight.dec()
            self._metrics.request(door.handler, scope["method"], status, seconds)
            access_logger.bind(
                client=client,
                caller=caller or "-",
                method=scope["method"],
                path=door.handler,
                status=status,
                duration_ms=round(seconds * 1000, 1),
                bytes=answer.sent,
            ).info("{} {} {}", scope["method"], door.handler, status)
            request_id_var.reset(id_token)
            trace_id_var.reset(trace_token)

    def _admit(self, scope: Scope, door: Door, headers: dict[bytes, bytes], client: str) -> str | None:
        """Who calls, by key; raises where the key or the rate does not allow it."""
        caller = None
        # A browser's preflight request never carries a key.
        if door.scope is not None and scope["method"] != "OPTIONS":
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

    async def _bounded(
        self, scope: Scope, door: Door, headers: dict[bytes, bytes], receive: Receive, answer: _Answer
    ) -> None:
        if door.page:
            await self._page(scope, receive, answer)
        elif not door.limited:
            await self._public(scope, receive, answer)
        else:
            with self._concurrency.slot():
                await self._timed(scope, headers, receive, answer)

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
        deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(deadline):
                body = await self._read(headers, receive)
        except TimeoutError as error:
            raise RequestTimeout(self._timeout) from error
        if body is None:
            return
        gone = asyncio.ensure_future(receive())
        replayed = False

        async def replay() -> Message:
            nonlocal replayed
            if replayed:
                return await asyncio.shield(gone)
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}

        work = asyncio.ensure_future(self._public(scope, replay, answer))
        try:
            left = deadline - asyncio.get_running_loop().time()
            await asyncio.wait({work, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
            elif not gone.done():
                raise RequestTimeout(self._timeout)
        finally:
            # Also when this very request is cancelled: nobody is left to read the answer.
            for future in (work, gone):
                future.cancel()

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


class _Answer:
    """The send side of a request: adds our headers, remembers the status and counts the bytes."""

    def __init__(self, send: Send, request_id: str, policy: bytes, *, last: bool) -> None:
        """`last`: the client shall not send another request on this connection, which is about to be closed."""
        self._send = send
        self._policy = policy
        self.request_id = request_id
        self._more = ((b"connection", b"close"), *_SECURITY_HEADERS) if last else _SECURITY_HEADERS
        self.status: int | None = None
        self.sent = 0
        self.hold_errors = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self.hold_errors and message["status"] >= 400:
                return
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self.request_id.encode("latin-1")),
                *self._more,
                (b"content-security-policy", self._policy),
            ]
        elif message["type"] == "http.response.body":
            if self.status is None:
                return  # the body of an error that was held back
            self.sent += len(message.get("body", b""))
        await self._send(message)


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    return given if _PLAUSIBLE_ID.fullmatch(given) else uuid4().hex


def _trace_id(headers: dict[bytes, bytes]) -> str | None:
    match = _TRACEPARENT.fullmatch(headers.get(b"traceparent", b"").decode("latin-1"))
    return match.group(1) if match else None
