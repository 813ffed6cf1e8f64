"""The connections that requests come over: heads are bounded, and in a flood some answers come at once."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import httptools
import uvicorn.protocols.http.auto
from loguru import logger
from uvicorn.server import Server

from api.bounds import BoundedConnection
from api.no_room import NoRoom

_ACCEPTED_A_ROUND = 64
"""New connections that all processes together take of a socket in a round of their event loops, at most."""


class _Answered:
    """Stands where uvicorn keeps the request that a connection is busy with: it has its answer already."""

    response_complete = True
    message_event = asyncio.Event()


_ANSWERED: Any = _Answered()


class Connection(BoundedConnection):
    """Answers by itself in a flood (`api.no_room`).

    It reads on over the body of such a request, and is there for the next one.
    """

    no_room: NoRoom
    _answered = False

    def data_received(self, data: bytes) -> None:
        self._answered = False
        super().data_received(data)

    def on_headers_complete(self) -> None:
        answer = self._prompt_answer()
        if answer is None:
            self._unset_keepalive_if_required()  # an answer in the same read may have set it
            super().on_headers_complete()
            return
        self._answered = True
        self._end_watch()
        self.cycle = _ANSWERED
        self.transport.write(answer)

    def on_message_complete(self) -> None:
        if self.cycle is _ANSWERED:
            self._end_watch()  # of the body
            self.on_response_complete()
            self.cycle = None  # type: ignore[assignment]  # as uvicorn begins
        else:
            super().on_message_complete()

    def _prompt_answer(self) -> bytes | None:
        """What this request is answered here and now; of those that came in one read, the first at most."""
        if self._answered or not self.no_room.lately:
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
            logger.exception("unexpected error in a prompt answer")
            return None


def guard_connections(no_room: NoRoom) -> None:
    """Let uvicorn, which BentoML starts with its choice of protocol, choose this one."""
    Connection.no_room = no_room
    module: Any = uvicorn.protocols.http.auto
    module.AutoHTTPProtocol = Connection


def accept_more_at_once(processes: int) -> None:
    """Let uvicorn listen on each of its sockets by many descriptors: of each, uvloop 0.23 takes one connection a round.

    By one alone, a probe that comes after hundreds of clients waits for as many rounds.
    """
    startup = Server.startup

    async def listen(self: Server, sockets: list[socket.socket] | None = None) -> None:
        # Not those of the model's process, which the API alone calls.
        public = [one for one in sockets or () if one.family != socket.AF_UNIX]
        more = [_by_another_descriptor(one) for one in public for _ in range(_ACCEPTED_A_ROUND // processes - 1)]
        await startup(self, sockets and [*sockets, *more])

    Server.startup = listen  # type: ignore[method-assign]  # uvicorn has no other way in


def _by_another_descriptor(listening: socket.socket) -> socket.socket:
    """The same socket, as non-blocking as it is.

    `socket.dup` would make it blocking, for all processes that listen on it: one that runs already, and looks whether
    there are more connections, would stand still until the next one comes.
    """
    return socket.socket(listening.family, listening.type, listening.proto, fileno=os.dup(listening.fileno()))
