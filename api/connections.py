"""The connections that requests come over: heads are bounded, and refusals for want of room given at once."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools
import uvicorn.protocols.http.auto
from loguru import logger

from api import heads
from api.heads import BoundedHeads
from api.no_room import NoRoom


class _Answered:
    """Stands where uvicorn keeps the request that a connection is busy with: it has its answer already."""

    response_complete = True
    message_event = asyncio.Event()


_ANSWERED: Any = _Answered()


class Connection(BoundedHeads):
    """Refuses requests while there is no room; reads on over the body of a refused one, and keeps the connection."""

    no_room: NoRoom
    _refused = False

    def data_received(self, data: bytes) -> None:
        self._refused = False
        super().data_received(data)

    def on_headers_complete(self) -> None:
        answer = self._refusal()
        if answer is None:
            self._unset_keepalive_if_required()  # a refusal in the same read may have set it
            super().on_headers_complete()
            return
        self._refused = True
        self._end_head()
        self._deadline = self.loop.call_later(heads.MOST_SECONDS, self.transport.close)  # for the body to end
        self.cycle = _ANSWERED
        self.transport.write(answer)

    def on_message_complete(self) -> None:
        if self.cycle is _ANSWERED:
            self._end_head()
            self.on_response_complete()
            self.cycle = None  # type: ignore[assignment]  # as uvicorn begins
        else:
            super().on_message_complete()

    def _refusal(self) -> bytes | None:
        """The answer, where this request is refused here and now; of those that came in one read, the first at most."""
        if self._refused or not self.no_room.now:
            return None
        parser = self.parser
        busy = self.cycle is not None and not self.cycle.response_complete
        plain = parser.get_http_version() == "1.1" and parser.should_keep_alive() and not parser.should_upgrade()
        if busy or self.flow.write_paused or self.expect_100_continue or not plain:
            return None
        path = httptools.parse_url(self.url).path
        if not path.isascii() or b"%" in path:
            return None
        method = parser.get_method().decode("ascii")
        always = self.server_state.default_headers
        try:
            return self.no_room.answer(method, path.decode("ascii"), self.headers, self.client, always)
        except Exception:  # the parser would make a 400 of it
            logger.exception("unexpected error in a refusal")
            return None


def guard_connections(no_room: NoRoom) -> None:
    """Let uvicorn, which BentoML starts with its choice of protocol, choose this one."""
    Connection.no_room = no_room
    module: Any = uvicorn.protocols.http.auto
    module.AutoHTTPProtocol = Connection
