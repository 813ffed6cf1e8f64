"""The load generator's HTTP: little more than a parser, since it runs on the very cores that it measures."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

TIMEOUT = 120.0
"""Seconds after which a request has failed."""


@dataclass(frozen=True)
class Request:
    """A request ready to be sent again and again; `items` are the texts or photos in it."""

    path: str
    body: bytes
    content_type: str
    items: int = 1

    def head(self, host: str) -> bytes:
        return (
            f"POST {self.path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n"
            f"Content-Type: {self.content_type}\r\nContent-Length: {len(self.body)}\r\n\r\n"
        ).encode("ascii")


class Connection:
    """One request after another; opened at the first, and anew where the server has closed it."""

    def __init__(self, url: str) -> None:
        """`url`: of the server, http://host:port."""
        place = urlsplit(url)
        self._host, self._port, self._name = place.hostname or "", place.port or 80, place.netloc
        self._wire: _Wire | None = None

    async def send(self, request: Request) -> int:
        """The status of the answer, once all of it has come; 0: there was none, or not in time.

        An answer must say how long it is: one that ends with its connection counts as none.
        """
        try:
            async with asyncio.timeout(TIMEOUT):
                if self._wire is None or self._wire.closing:
                    loop = asyncio.get_running_loop()
                    _, self._wire = await loop.create_connection(_Wire, self._host, self._port)
                return await self._wire.exchange(request.head(self._name), request.body)
        except OSError:  # a timeout is one, too
            self.close()
            return 0

    def close(self) -> None:
        """End it, with whatever is under way."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None


class _Wire(asyncio.Protocol):
    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[int] | None = None

    def exchange(self, *sent: bytes) -> asyncio.Future[int]:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.writelines(sent)
        return self._answer

    @property
    def closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()  # and connection_lost says that there is no answer

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.close()
        self._answered(self._parser.get_status_code())

    def connection_lost(self, _: Exception | None) -> None:
        self._answered(0)

    def _answered(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)
