"""A server that answers as the service would in trouble: what no healthy service can be brought to say on demand."""

from __future__ import annotations

import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import numpy as np

MODEL, DIM = "model@1", 2


@dataclass(frozen=True)
class Answer:
    """A status, a body, and headers; no status: the connection is closed without a word."""

    status: int | None
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def vectors(photos: list[bytes]) -> Answer:
    """What the service says when all is well: here each vector begins with its photo's length."""
    embeddings = [b64encode(np.array([len(photo), 1], "<f4").tobytes()).decode() for photo in photos]
    return Answer(200, {"embeddings": embeddings, "errors": [], "model": MODEL, "dim": DIM, "truncated": []})


def refusal(status: int, code: str, **headers: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": f"it is {code}"}}, headers)


class EncoderServer:
    """Answers by a function of the photos of each request; used as a context."""

    def __init__(self, answer: Callable[[list[bytes]], Answer]) -> None:
        self.answer = answer
        self.asked: list[tuple[float, list[bytes]]] = []
        """When each request came, and its photos."""
        self.connections = 0
        server = self

        class Handler(_Handler):
            owner = server

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> EncoderServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: EncoderServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.owner.connections += 1

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        photos = re.findall(rb'name="files"; filename="\d+"\r\n\r\n(.*?)\r\n--', body, re.S)
        self.owner.asked.append((time.monotonic(), photos))
        answer = self.owner.answer(photos)
        if answer.status is None:
            self.close_connection = True
            return
        content = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(content))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)
