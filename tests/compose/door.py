"""nginx with the real configuration on free ports of this machine, before servers that the test chooses."""

from __future__ import annotations

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx

from local.ports import HOST, free_port
from local.processes import Child
from tests.stack import ROOT


class Door:
    """The door; `api`, `photos` and `inside` are its addresses."""

    def __init__(self, folder: Path, *, service: str, store: str, **env: str) -> None:
        ports = [free_port() for _ in range(3)]
        self.api, self.photos, self.inside = (f"http://{HOST}:{port}" for port in ports)
        self.logs = folder / "logs"
        self.logs.mkdir()
        settings = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
            "SERVICE": service,
            "STORE": store,
            "BUCKET": "fashion",
            "LISTEN": HOST,
            "PORTS": " ".join(map(str, ports)),
            "RUN": str(folder / "run"),
            "LOG_DIR": str(self.logs),
            "PERIOD": "0.2",
            **env,
        }
        self.configuration = folder / "run" / "nginx.conf"
        self.child = Child("nginx", ["sh", str(ROOT / "compose/nginx/start.sh")], env=settings, log=folder / "log")
        self.child.wait_ready(self._answers, timeout=30)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.inside}/nginx_status", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        self.child.stop()


class Instance:
    """A server in the service's place that tells what reached it, and can stop being ready."""

    def __init__(self, name: str) -> None:
        self.name, self.ready, self.seen = name, True, list[str]()
        instance = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path == "/readyz":
                    self.answer(200 if instance.ready else 503, b"")
                else:
                    instance.seen.append(self.path)
                    self.answer(200, "\n".join(f"{k}: {v}" for k, v in self.headers.items()).encode())

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("X-Instance", instance.name)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.address = f"{HOST}:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
