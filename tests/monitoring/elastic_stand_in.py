"""A stand-in for Elasticsearch and Kibana, in the open: it knows the calls of the init scripts, and nothing else.

It keeps what it is given, checks passwords as they were set, and refuses a body that the schemas beside it refuse.
Neither program can be installed here; what they really do with these bodies is not shown by this.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema

_SCHEMAS = Path(__file__).parent / "schemas"
Answer = tuple[int, dict[str, Any]]


def schema(name: str) -> dict[str, Any]:
    """The schema of that name for the pinned version."""
    (file,) = _SCHEMAS.glob(f"*-{name}.json")
    found: dict[str, Any] = json.loads(file.read_text())
    jsonschema.Draft202012Validator.check_schema(found)
    return found


@dataclass
class Elastic:
    """What it holds, and the calls that came: (user, method, path)."""

    url: str
    passwords: dict[str, str]
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)
    """Bodies by path."""
    away: int = 0
    """So many of the next calls are answered 503."""
    refuse_objects: bool = False

    def answer(self, user: str | None, method: str, path: str, body: bytes) -> Answer:
        """The answer to a call of `user`, None where the password was wrong."""
        if self.away:
            self.away -= 1
            return 503, {"error": "not yet"}
        if user is None:
            return 401, {"error": "unable to authenticate"}
        self.calls.append((user, method, path))
        if path == "/_security/_authenticate":
            return 200, {"username": user}
        if user != "elastic":
            return 403, {"error": f"{user} may not"}
        if found := re.fullmatch(r"/_security/user/(\w+)/_password", path):
            self.passwords[found[1]] = json.loads(body)["password"]
            return 200, {}
        if path == "/_data_stream/fluentbit_logs":
            if method == "GET":
                return (200, {}) if path in self.kept else (404, {"error": "no such index"})
            if path in self.kept:
                return 400, {"error": "resource_already_exists_exception"}
            if "/_index_template/fluentbit_logs" not in self.kept:
                return 400, {"error": "no matching index template found"}
        elif path == "/api/saved_objects/_import?overwrite=true":
            self.kept[path] = body.decode()
            return 200, {"success": not self.refuse_objects, "errors": [{"id": "x"}] if self.refuse_objects else []}
        elif not re.fullmatch(r"/_(ilm/policy|index_template|security/role|security/user)/\w+", path):
            return 404, {"error": f"no handler for {method} {path}"}
        content: Any = json.loads(body) if body else {}
        for kind, name in (("role", "role"), ("_index_template", "index-template"), ("_ilm", "lifecycle")):
            if f"/{kind}/" in path:
                try:
                    jsonschema.validate(content, schema(name))
                except jsonschema.ValidationError as error:
                    return 400, {"error": error.message}
        if found := re.fullmatch(r"/_security/user/(\w+)", path):
            if any(f"/_security/role/{role}" not in self.kept for role in content["roles"]):
                return 400, {"error": "no such role"}
            self.passwords[found[1]] = content["password"]
        self.kept[path] = content
        return 200, {"acknowledged": True}


@contextmanager
def elastic(password: str) -> Iterator[Elastic]:
    """A fresh one, on a free port of 127.0.0.1; `elastic` has this password."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content = state.answer(self._user(), self.command, self.path, body)
            if self.path.startswith("/api/") and "kbn-xsrf" not in self.headers:
                status, content = 400, {"message": "Request must contain a kbn-xsrf header."}
            # As the real ones write it: without spaces.
            raw = json.dumps(content, separators=(",", ":")).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_PUT = do_POST = _answer

        def _user(self) -> str | None:
            given = self.headers.get("Authorization", "").removeprefix("Basic ")
            user, _, password = base64.b64decode(given).decode().partition(":")
            return user if state.passwords.get(user) == password else None

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the console."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Elastic(f"http://127.0.0.1:{server.server_port}", {"elastic": password})
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
