"""A local stand-in for Discord's webhook endpoint: it enforces Discord's limits, and answers what it is told to.

Discord itself cannot be reached from a test. The limits are written down here anew, from Discord's documentation,
not taken from the code that is tested.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WEBHOOK_PATH = "/api/webhooks/1234567890/test-token_of-the-stand-in"


@dataclass
class Discord:
    """What arrived, and what is answered next."""

    url: str
    planned: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Answers (status, body) for the next requests; after them messages are taken."""

    taken: list[dict[str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def clear(self) -> None:
        """Forget what was; take messages again."""
        for kept in (self.planned, self.taken, self.answers):
            kept.clear()

    def titles(self) -> list[str]:
        return [embed["title"] for message in self.taken for embed in message["embeds"]]


@contextmanager
def discord() -> Iterator[Discord]:
    """A stand-in on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = self._decide(body)
            if status == 200:
                state.taken.append(body)
            state.answers.append(status)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _decide(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            if not self.path.startswith(WEBHOOK_PATH):
                return 404, {"message": "Unknown Webhook", "code": 10015}
            if state.planned:
                return state.planned.pop(0)
            if problems := limit_problems(body):
                return 400, {"code": 50035, "message": "Invalid Form Body", "errors": problems}
            return 200, {"id": str(len(state.taken) + 1)}

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the console."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Discord(f"http://127.0.0.1:{server.server_port}{WEBHOOK_PATH}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


def limit_problems(message: dict[str, Any]) -> list[str]:
    """What Discord would refuse of a message: empty when nothing."""
    problems = []
    embeds = message.get("embeds", [])
    if not message.get("content") and not embeds:
        problems.append("empty message")
    if _length(message.get("content", "")) > 2000:
        problems.append("content")
    if len(embeds) > 10:
        problems.append("embeds")
    total = 0
    for embed in embeds:
        sized = [
            ("title", embed.get("title", ""), 256),
            ("description", embed.get("description", ""), 4096),
            ("footer", embed.get("footer", {}).get("text", ""), 2048),
        ]
        if len(embed.get("fields", [])) > 25:
            problems.append("fields")
        for each in embed.get("fields", []):
            if not each["name"] or not each["value"]:
                problems.append("empty field")
            sized += [("field name", each["name"], 256), ("field value", each["value"], 1024)]
        problems += [name for name, text, limit in sized if _length(text) > limit]
        total += sum(_length(text) for _, text, _ in sized)
        if not 0 <= embed.get("color", 0) <= 0xFFFFFF:
            problems.append("color")
    if total > 6000:
        problems.append("total")
    return problems


def _length(text: str) -> int:
    return sum(2 if ord(letter) > 0xFFFF else 1 for letter in text)
