"""Bounds for a request's head, which uvicorn's faster protocol has none for: its size, and the time it may take."""

from __future__ import annotations

import asyncio

from loguru import logger
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_BYTES = 64 * 1024
"""Of a head; what has come in the same read as its end is not counted (a read has 256 KB at most)."""

MOST_SECONDS = 30.0
"""From a connection's beginning, or a head's, to the head's end; and for all else that only the client is about."""


class BoundedHeads(HttpToolsProtocol):
    """Ends a connection whose head grows or dawdles without end; otherwise one client could fill the memory."""

    _head_bytes = 0
    _in_head = True
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._watch_time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_watch()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:  # a WebSocket now
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_BYTES:
                logger.warning("a request's head has more than {} bytes", MOST_BYTES)
                self.send_400_response("The request's headers are too large.")
                return
        self._watch_time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        self._end_watch()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._end_watch()
        super().on_message_complete()

    @property
    def _unfinished(self) -> bool:
        """Whether the client has to go on in time: a head is under way, or nothing is that the service is about.

        That is the rest of a body whose request has its answer, or a lone line end: uvicorn lets its own time for idle
        connections be at any byte, and takes it up again with the next answer only.
        """
        answered = self.cycle is None or self.cycle.response_complete
        return self._in_head or (answered and self.timeout_keep_alive_task is None)

    def _watch_time(self) -> None:
        """A timer only for what has not ended in the read that it began in: most requests come whole."""
        if self._deadline is None and self._unfinished:
            self._deadline = self.loop.call_later(MOST_SECONDS, self.transport.close)

    def _begin_head(self) -> None:
        self._end_watch()
        self._in_head, self._head_bytes = True, 0

    def _end_watch(self) -> None:
        self._in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
