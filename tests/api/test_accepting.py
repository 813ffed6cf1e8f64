"""Connections that come together are taken together."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import ExitStack

import pytest
import uvicorn
import uvloop
from starlette.responses import PlainTextResponse

from api.connections import accept_more_at_once
from local.ports import HOST

CLIENTS = 200


def test_hundreds_of_clients_wait_for_a_few_rounds_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn.Server, "startup", uvicorn.Server.startup)  # as it is now again, afterwards
    accept_more_at_once(processes=2)
    door = socket.create_server((HOST, 0), backlog=2 * CLIENTS)
    address = door.getsockname()

    async def run() -> None:
        server = uvicorn.Server(uvicorn.Config(PlainTextResponse("well"), lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[door]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        with ExitStack() as stack:
            clients = [stack.enter_context(socket.create_connection(address)) for _ in range(CLIENTS)]
            rounds = 0
            while len(server.server_state.connections) < CLIENTS and rounds < CLIENTS:
                rounds += 1
                await asyncio.sleep(0)
            assert rounds < 20
            clients[-1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            clients[-1].setblocking(False)
            assert (await asyncio.get_running_loop().sock_recv(clients[-1], 1000)).startswith(b"HTTP/1.1 200")
        server.should_exit = True
        await serving
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)

    uvloop.run(run())


def test_whoever_listens_already_goes_on_while_another_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that starts beside others gets their socket; made blocking, one of them would stand still."""
    seen: list[bool] = []

    async def startup(_server: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
        seen.extend(os.get_blocking(one.fileno()) for one in sockets or ())
        for one in sockets or ():
            one.close()

    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    accept_more_at_once(processes=2)
    with socket.create_server((HOST, 0)) as listening:
        listening.setblocking(False)
        # As BentoML hands it on: Python does not know that it is not blocking.
        inherited = socket.socket(fileno=os.dup(listening.fileno()))
        asyncio.run(uvicorn.Server(uvicorn.Config(PlainTextResponse("well"))).startup([inherited]))
        assert len(seen) == 32
        assert not any(seen)
        assert not os.get_blocking(listening.fileno())
