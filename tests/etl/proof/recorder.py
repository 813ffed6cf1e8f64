"""Stands between a load and the service, passes all on, and counts how often each photo was encoded."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit


class Recorder:
    """A proxy on a free port of 127.0.0.1; used as a context."""

    def __init__(self, service: str) -> None:
        self.service = urlsplit(service).netloc
        self.encoded: Counter[str] = Counter()
        """How often the service answered with a vector of the photo that has this SHA-256."""
        self.lock = threading.Lock()
        self.gate = threading.Event()
        """While it is cleared, photos wait here on their way to the service."""
        self.gate.set()
        self.answers = threading.Event()
        """While it is cleared, answers wait here once `enough` photos were encoded."""
        self.answers.set()
        self.enough = 0.0
        recorder = self

        class Handler(_Handler):
            owner = recorder

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Recorder:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: Recorder
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.owner.gate.wait()
        connection = HTTPConnection(self.owner.service, timeout=120)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            connection.request("POST", self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except OSError:
            self.close_connection = True  # as a service that is away
            return
        finally:
            connection.close()
        if answer.status == 200 and self.path.startswith("/encode_image"):
            with self.owner.lock:
                self.owner.encoded.update(_photos(body, self.headers["Content-Type"]))
                enough = sum(self.owner.encoded.values()) >= self.owner.enough
            if enough:
                self.owner.answers.wait()
        try:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True  # the load was killed


def _photos(body: bytes, content_type: str) -> list[str]:
    """The SHA-256 of each part of a multipart body."""
    boundary = b"--" + content_type.partition("boundary=")[2].strip('"').encode()
    parts = body.split(boundary)[1:-1]
    return [hashlib.sha256(part.partition(b"\r\n\r\n")[2][:-2]).hexdigest() for part in parts]
