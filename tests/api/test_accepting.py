"""Connections that come together are taken together."""

from __future__ import annotations

import asyncio
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
