"""A web server that behaves badly where a test asks it to."""

from __future__ import annotations

import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote, urlsplit


class WebServer:
    """Serves a folder on a free port of 127.0.0.1, with ranges and ETags; used as a context.

    Below `/404/`, `/503/`, `/slow/`, `/trickle/`, `/endless/`, `/to/ADDRESS` it fails in a way of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.break_after: int | None = None
        """Bytes after which the next answers break off; None: never."""
        self.etags = True
        self.asked: Counter[str] = Counter()
        self.sent: Counter[int] = Counter()
        """Answers by status."""
        server = self

        class Handler(_Handler):
            site = server

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> WebServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    site: WebServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.site.asked[path] += 1
        kind = path.split("/")[1]
        if kind in ("404", "503"):
            self._answer(int(kind), b"no")
        elif kind == "slow":
            time.sleep(20)
        elif kind == "trickle":
            self._head(200, {"Content-Length": "100000"})
            self._write_slowly()
        elif kind == "endless":
            self._head(200, {})
            self.close_connection = True
            self._write_much()
        elif kind == "to":
            self._answer(302, b"", {"Location": path.removeprefix("/to/")})
        else:
            self._file(self.site.folder / path.lstrip("/"))

    def _write_slowly(self) -> None:
        try:
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.2)
        except OSError:
            self.close_connection = True

    def _write_much(self) -> None:
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            pass

    def _file(self, file: Path) -> None:
        if not file.is_file():
            self._answer(404, b"no")
            return
        content = file.read_bytes()
        status = file.stat()
        etag = f'"{status.st_size}-{status.st_mtime_ns}"'
        headers = {"ETag": etag} if self.site.etags else {}
        if self.site.etags and self.headers.get("If-None-Match") == etag:
            self._head(304, headers)
            return
        span = self.headers.get("Range", "")
        if span and self.headers.get("If-Range") == etag:
            first = int(span.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            self._answer(206, content[first:], headers)
        else:
            self._answer(200, content, headers)

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(status, {"Content-Length": str(len(content)), **(headers or {})})
        if self.site.break_after is not None and len(content) > self.site.break_after:
            self.wfile.write(content[: self.site.break_after])
            self.wfile.flush()
            self.connection.close()
            self.close_connection = True
            return
        self.wfile.write(content)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.site.sent[status] += 1
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status == 304:
            self.send_header("Content-Length", "0")
        self.end_headers()
