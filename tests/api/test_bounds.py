"""A head without end costs the connection, not the memory."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import uvloop
from starlette.types import Receive, Scope, Send

from api import bounds
from local.ports import HOST
from tests.api.serving import served


async def app(scope: Scope, _: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


async def talk(port: int, *pieces: bytes, pause: float = 0) -> bytes:
    """Send pieces, with pauses of so many seconds, until the server closes; what it said."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
    except ConnectionError:
        pass
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def test_a_request_that_comes_whole_needs_no_timer() -> None:
    connections: list[bounds.BoundedConnection] = []

    class Kept(bounds.BoundedConnection):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
            super().connection_made(transport)
            connections.append(self)

        def data_received(self, data: bytes) -> None:
            timers.append(self._deadline is not None)
            super().data_received(data)
            timers.append(self._deadline is not None)

    timers: list[bool] = []

    async def run() -> None:
        async with (
            served(app, Kept) as port,
            httpx.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False) as client,
        ):
            for _ in range(2):
                assert (await client.get("/")).text == "ok"

    asyncio.run(run())
    assert len(connections) == 1
    assert timers == [True, False, False, False]  # the first is the connection's own: it has to say something


def test_what_follows_a_body_is_bounded_and_no_header() -> None:
    seen: list[list[bytes]] = []

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        seen.append([name for name, _ in scope["headers"]])
        await app(scope, receive, send)

    async def run() -> None:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        async with served(reading, bounds.BoundedConnection) as port:
            assert (await talk(port, head + b"X-Late: 1\r\n\r\n")).endswith(b"ok")
            for endless in (b"X-A: " + b"a" * 10_000_000, b"X-A: a\r\n" * 1_000_000):
                assert await asyncio.wait_for(talk(port, head, endless), 10) == b""

    asyncio.run(run())
    assert seen[0] == [b"host", b"connection", b"transfer-encoding"]


def test_whoever_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_SECONDS", 1.0)

    async def run() -> None:
        sent = asyncio.Event()

        async def generous(_: Scope, __: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _piece in range(100):
                await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
            sent.set()

        async with served(generous, bounds.BoundedConnection) as port:
            _, writer = await asyncio.open_connection(HOST, port, limit=1000)  # which reads no more than that
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.wait_for(sent.wait(), 20)
            writer.close()

    asyncio.run(run())


def test_whoever_is_served_has_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_SECONDS", 0.5)

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await asyncio.sleep(1)
        await app(scope, receive, send)

    async def run() -> None:
        post = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: %s\r\nContent-Length: 4\r\n\r\n"
        async with served(slow, bounds.BoundedConnection) as port:
            reader, writer = await asyncio.open_connection(HOST, port)
            for kept in (b"keep-alive", b"close"):
                for piece in (post % kept, b"a", b"b", b"c", b"d"):
                    writer.write(piece)
                    await asyncio.sleep(0.3)
                assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200 ")
            writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_heads_are_bounded_in_size_and_time(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_SECONDS", 1.0)

    async def run() -> None:
        async with served(app, bounds.BoundedConnection) as port:
            await attack(port)

    async def attack(port: int) -> None:
        start = b"GET / HTTP/1.1\r\nHost: x\r\n"
        # One header without end, many headers, and an address without end.
        for endless in (b"X-A: " + b"a" * 10_000_000, b"X-A: a\r\n" * 1_000_000):
            assert (await talk(port, start, endless))[:12] in (b"HTTP/1.1 400", b"")
        assert (await talk(port, b"GET /" + b"a" * 10_000_000))[:12] in (b"HTTP/1.1 400", b"")
        # A head that dawdles, a connection that says nothing, and a second head that dawdles.
        closed = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        assert await talk(port, start) == b""
        assert await talk(port) == b""
        assert (await talk(port, closed + start)).endswith(b"ok")
        # A line end and no more, after a request; and the body of a request that has its answer, which does not end.
        assert (await talk(port, closed, b"\r\n", pause=0.1)).endswith(b"ok")
        post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        assert (await talk(port, post, b"x", b"x", pause=0.1)).endswith(b"ok")
        # Ordinary requests, on one connection for longer than a head may take.
        async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False) as client:
            for _ in range(4):
                assert (await client.post("/", content=b"x" * 1_000_000)).text == "ok"
                await asyncio.sleep(0.4)

    (asyncio if loop == "asyncio" else uvloop).run(run())
