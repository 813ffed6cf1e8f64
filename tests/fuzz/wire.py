"""HTTP written by hand, since no client would send what is sent here."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from local.ports import HOST

_WAIT = 90.0  # seconds for an answer, on a machine that others use too


@dataclass(frozen=True)
class Raw:
    """A request: what is written to the connection; with a pause, byte by byte with a pause after each."""

    pieces: Iterable[bytes]
    pause: float = 0.0
    hang_up: bool = False
    """Close for writing when all is sent, as a client does that broke off."""

    def with_header(self, line: str) -> Raw:
        """The same with one more header, where the first piece begins like a request."""
        first, *rest = self.pieces
        start, end, others = first.partition(b"\r\n")
        if not start.endswith(b" HTTP/1.1"):
            return self
        return Raw([start + end + line.encode() + end + others, *rest], self.pause, self.hang_up)


@dataclass(frozen=True)
class Reply:
    """The first line's status; 0 where the connection was closed without an answer."""

    status: int
    text: str = field(repr=False)
    seconds: float


def send(port: int, raw: Raw) -> Reply:
    """Send a request and read until its answer is complete or the connection ends."""
    begun = time.monotonic()
    answer = b""
    with socket.create_connection((HOST, port), timeout=_WAIT) as connection:
        try:
            for piece in raw.pieces:
                for byte in piece if raw.pause else ():
                    connection.sendall(bytes([byte]))
                    time.sleep(raw.pause)
                if not raw.pause:
                    connection.sendall(piece)
            if raw.hang_up:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it did not wait for the rest; its answer may be there
        try:
            while not _complete(answer) and (more := connection.recv(65536)):
                answer += more
        except ConnectionError:
            pass
    words = answer.split(b"\r\n", 1)[0].split(b" ")
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return Reply(status, answer.decode("utf-8", "replace"), time.monotonic() - begun)


def _complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(lengths) and len(body) >= int(lengths[0].split(b":")[1])


def request(path: str, body: bytes, *headers: str, length: bool = True, method: str = "POST") -> bytes:
    """A request's bytes; its Content-Length is right where it is asked for."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body


def form(*parts: bytes, boundary: bytes = b"b", end: bool = True) -> bytes:
    """A multipart body; a part is its headers, an empty line, and its content."""
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return body + (b"--" + boundary + b"--\r\n" if end else b"")


def part(name: str, content: bytes, filename: str | None = None, *headers: str) -> bytes:
    """A part of a form."""
    disposition = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    return "\r\n".join([disposition, *headers, "", ""]).encode("utf-8", "surrogatepass") + content
