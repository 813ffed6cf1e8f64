"""A network between the service and a store: one that is slow, loses, or swallows what is sent."""

from __future__ import annotations

import asyncio
import random
import threading
from contextlib import suppress
from dataclasses import dataclass

from local.ports import HOST


@dataclass(frozen=True)
class Network:
    """How a network behaves. TCP hides lost packets behind waiting: loss shows as that, and as broken connections."""

    delay: float = 0.0
    """Seconds that everything takes, each way."""

    loss: float = 0.0
    """Share of pieces that are sent again, 0 to 1; each costs `resend` seconds."""

    resend: float = 0.3
    breaks: float = 0.0
    """Share of pieces at which the connection breaks."""

    black_hole: bool = False
    """Nothing comes through any more, and nobody is told."""


SOUND = Network()


class Proxy:
    """Forwards TCP connections to a port of this machine, over a network that can be changed at any time."""

    def __init__(self, target: int) -> None:
        self.network = SOUND
        self._target = target
        self._draw = random.Random(4)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="proxy", daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, HOST, 0)
        self.port = int(server.sockets[0].getsockname()[1])
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in self._tasks:
            task.cancel()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passable()
        try:
            to, back = await asyncio.open_connection(HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        for pair in ((reader, back), (to, writer)):
            task = asyncio.ensure_future(self._forward(*pair))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                await self._passable()
                network = self.network
                again = self._draw.random() < network.loss
                if wait := network.delay + (network.resend if again else 0):
                    await asyncio.sleep(wait)
                if self._draw.random() < network.breaks:
                    writer.transport.abort()
                    return
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            with suppress(OSError, RuntimeError):
                writer.close()

    async def _passable(self) -> None:
        while self.network.black_hole:
            await asyncio.sleep(0.05)
