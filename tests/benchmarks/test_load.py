"""The load generator counts what was answered, and hides no wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.connections import Request
from benchmarks.load import closed_loop, count_loop, open_loop
from benchmarks.rounds import cost_of_searches
from benchmarks.subjects import Server
from local.ports import free_port
from tests.stack import System

STALL = 1.5  # seconds that the server below stands still


class Stalling(BaseHTTPRequestHandler):
    """Answers at once, but for one stretch in which it answers nobody; refuses `/no`, closes after `/bye`, breaks off
    at `/half`."""

    protocol_version = "HTTP/1.1"
    turn = threading.Lock()
    answered = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        with Stalling.turn:
            Stalling.answered += 1
            if Stalling.answered == 20:
                time.sleep(STALL)
        self.send_response(503 if self.path == "/no" else 200)
        self.send_header("Content-Length", "10" if self.path == "/half" else "0")
        self.send_header("Connection", "close" if self.path in ("/bye", "/half") else "keep-alive")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def stalling() -> Iterator[str]:
    Stalling.answered = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stalling)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_an_open_loop_counts_the_wait_of_all_that_were_due_meanwhile(stalling: str) -> None:
    outcome = open_loop(stalling, [Request("/", b"x", "text/plain")], per_second=40, seconds=2)
    assert outcome.statuses == {200: 80}
    # About 60 requests were due while nobody was answered: half of them waited for more than half of the stall.
    assert sum(latency > STALL / 2 for latency in outcome.latencies) >= 20


def test_a_closed_loop_sends_the_next_request_only_after_the_answer(stalling: str) -> None:
    outcome = closed_loop(stalling, [Request("/", b"x", "text/plain")], in_flight=1, seconds=STALL + 0.5, warm_up=0)
    assert sum(latency > STALL / 2 for latency in outcome.latencies) == 1


def test_a_request_across_the_end_counts_by_its_share(stalling: str) -> None:
    Stalling.answered = 19  # the very first request stands still, beyond the end
    request = Request("/", b"x", "text/plain", items=10)
    outcome = closed_loop(stalling, [request], in_flight=1, seconds=STALL / 3, warm_up=0)
    assert outcome.items == pytest.approx(10 / 3, rel=0.1)
    assert (outcome.answered, len(outcome.latencies)) == (10, 1)


def test_refusals_are_counted_apart(stalling: str) -> None:
    requests = [Request("/", b"x", "text/plain", items=3), Request("/no", b"x", "text/plain", items=5)]
    outcome = count_loop(stalling, requests, in_flight=2, count=10)
    assert outcome.statuses == {200: 5, 503: 5}
    assert (outcome.items, outcome.failed) == (15, 5)


def test_a_connection_that_the_server_closed_is_opened_anew(stalling: str) -> None:
    requests = [Request("/bye", b"x", "text/plain"), Request("/", b"x", "text/plain")]
    outcome = count_loop(stalling, requests, in_flight=1, count=6)
    assert outcome.statuses == {200: 6}


def test_who_is_not_answered_has_failed() -> None:
    outcome = count_loop(f"http://127.0.0.1:{free_port()}", [Request("/", b"x", "text/plain")], in_flight=2, count=4)
    assert (outcome.statuses, outcome.failed, outcome.items) == ({0: 4}, 4, 0)


def test_an_answer_that_is_cut_off_is_none(stalling: str) -> None:
    outcome = count_loop(stalling, [Request("/half", b"x", "text/plain")], in_flight=1, count=2)
    assert outcome.statuses == {0: 2}


def test_the_services_requests_are_answered(system: System) -> None:
    from benchmarks.requests import photo_requests, photos, search_requests, text_requests

    sent = [*photo_requests(photos(None, (60, 80), 4), 2), *text_requests(32)[:1], *search_requests()[:2]]
    outcome = count_loop(system.url, sent, in_flight=4, count=len(sent))
    assert outcome.statuses == {200: len(sent)}
    assert outcome.items == 4 + 32 + 2


def test_a_search_costs_more_than_its_texts_encoding(system: System) -> None:
    server = Server(system.url, system.service, 0)
    costs, outcome = cost_of_searches(server, 40)
    assert outcome.answered == 40
    # Its encoding is neither nothing nor all of it: both are much the same, with this model.
    assert 0.15 < costs["search CPU s beside its encoding"] / costs["search CPU s"] < 0.85
