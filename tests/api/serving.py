"""An application on a free port, over a protocol of ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.types import ASGIApp

from api.bounds import BoundedConnection
from local.ports import HOST, free_port


@asynccontextmanager
async def served(app: ASGIApp, protocol: type[BoundedConnection]) -> AsyncIterator[int]:
    """The port that it is served on meanwhile."""
    port = free_port()
    config = uvicorn.Config(app, host=HOST, port=port, http=protocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield port
    server.should_exit = True
    await serving
