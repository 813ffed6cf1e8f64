"""Bounds for what is not a body, which uvicorn's faster protocol has none for: its size, and the time it may take."""

from __future__ import annotations

import asyncio

from loguru import logger
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_BYTES = 64 * 1024
"""Of a head, and of what else is no part of a body; without the reads that it begins and ends in (256 KB at most)."""

MOST_SECONDS = 30.0
"""From a connection's beginning, or a head's, to the head's end; for the rest of what has been answered; and for a
client to read what it is sent."""


class BoundedConnection(HttpToolsProtocol):
    """Ends a connection whose client sends without end, or never reads: it could fill the memory, or keep its place."""

    _bytes_beside_bodies = 0
    _in_head = True
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._watch_time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_watch()
        self._end_unread()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._bytes_beside_bodies += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:  # a WebSocket now
            return
        if self._bytes_beside_bodies > MOST_BYTES:
            logger.warning("more than {} bytes of a request are no body", MOST_BYTES)
            if self._in_head:
                self.send_400_response("The request's headers are too large.")
            else:
                self.transport.abort()
            return
        self._watch_time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._end_watch()
        self._in_head, self._bytes_beside_bodies = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # else a trailer, after the body: nobody asks for them, and there may be any number
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._end_watch()
        self._bytes_beside_bodies = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bytes_beside_bodies = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._end_watch()
        self._bytes_beside_bodies = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(MOST_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._end_unread()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._close()

    @property
    def _unfinished(self) -> bool:
        """Whether the client has to go on in time: in a head, or with the rest of what has its answer.

        That may be a body's, or a lone line end: uvicorn lets its own time for idle connections be at any byte, and
        takes it up again with the next answer only.
        """
        answered = self.cycle is None or self.cycle.response_complete
        return self._in_head or (answered and self.timeout_keep_alive_task is None)

    def _watch_time(self) -> None:
        """A timer only for what has not ended in the read that it began in: most requests come whole."""
        if self._deadline is None and self._unfinished:
            self._deadline = self.loop.call_later(MOST_SECONDS, self._too_late)

    def _too_late(self) -> None:
        self._deadline = None
        if self.flow.read_paused:  # the rest has not been read: requests before it are under way
            self._watch_time()
        else:
            self._close()

    def _close(self) -> None:
        """Let the client have what is on its way, for as long as it may take."""
        self.transport.close()
        if self.transport.get_write_buffer_size() and self._unread is None:
            self._unread = self.loop.call_later(MOST_SECONDS, self.transport.abort)

    def _end_watch(self) -> None:
        self._in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
