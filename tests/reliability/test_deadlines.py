"""No request takes longer than it may, and nothing is done for a client that has left."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from urllib3 import encode_multipart_formdata

from local.ports import HOST
from tests.reliability.conftest import PATIENT_LIMIT
from tests.reliability.shots import photos
from tests.stack import System, pause, resume

SLACK = 20.0  # seconds that a busy machine may add; without the limit it would be a minute


@pytest.fixture(scope="module")
def system(patient: System) -> System:
    """What `api` is a client of."""
    return patient


def metric(api: httpx.Client, name: str) -> int:
    """The value of the one line that begins with `name`."""
    text = api.get("/metrics").raise_for_status().text
    (line,) = (line for line in text.splitlines() if line.startswith(name))
    return round(float(line.rpartition(" ")[2]))


def encoded(api: httpx.Client) -> int:
    """Photos that the model has encoded so far."""
    return metric(api, 'runner_batch_items_sum{method="image"')


def waiting(api: httpx.Client) -> int:
    """Requests that wait for the model or are in it."""
    return metric(api, "encoding_requests_in_flight")


def form(count: int) -> tuple[bytes, str]:
    return encode_multipart_formdata([("files", (f"{n}.jpg", photo)) for n, photo in enumerate(photos()[:count])])


def sent(system: System, count: int, share: float = 1) -> socket.socket:
    """A connection on which that share of a request with so many photos has been sent."""
    body, content_type = form(count)
    connection = socket.create_connection((HOST, system.port), timeout=30)
    head = (
        f"POST /encode_image HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body[: int(len(body) * share)])
    return connection


def wait_until(condition: Callable[[], bool]) -> None:
    """Looks a hundred times a second: what is waited for may be over in a tenth."""
    deadline = time.monotonic() + PATIENT_LIMIT + SLACK
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)


@contextmanager
def hung(*pids: int) -> Iterator[None]:
    """Those processes do nothing for as long."""
    for pid in pids:
        pause(pid)
    try:
        yield
    finally:
        for pid in pids:
            resume(pid)


@contextmanager
def in_the_middle(system: System, api: httpx.Client) -> Iterator[tuple[socket.socket, int]]:
    """The runner hangs in the midst of 32 photos, which it takes two by two, with eight of them or more to go.

    The connection they were sent on, and how many photos had been encoded before them.
    """
    for _ in range(10):
        before = encoded(api)
        connection = sent(system, 32)
        wait_until(lambda: encoded(api) > before)  # noqa: B023 - called in this round alone
        with hung(system.runner_pid()):
            if encoded(api) - before <= 24:
                yield connection, before
                return
        assert connection.recv(100).startswith(b"HTTP/1.1 200")  # all 32 are counted by now
        connection.close()
    pytest.fail("ten times the runner was done before it could be hung")


def test_what_a_client_that_left_had_queued_is_never_encoded(system: System, api: httpx.Client) -> None:
    with in_the_middle(system, api) as (first, before):
        # Behind the rest of the 32 a client queues eight, and leaves before its turn.
        queued = sent(system, 8)
        wait_until(lambda: waiting(api) == 2)
        queued.close()
        wait_until(lambda: waiting(api) == 1)
    assert first.recv(100).startswith(b"HTTP/1.1 200")
    assert api.post("/encode_image", files={"files": photos()[0]}).status_code == 200  # behind whatever was queued
    assert encoded(api) - before == 32 + 1
    first.close()


def test_a_client_that_leaves_in_the_middle_of_its_batches_ends_them(system: System, api: httpx.Client) -> None:
    with in_the_middle(system, api) as (leaving, before):
        leaving.close()
        wait_until(lambda: waiting(api) == 0)
    assert api.post("/encode_image", files={"files": photos()[0]}).status_code == 200
    assert encoded(api) - before < 32


def test_whatever_hangs_a_request_ends_in_time(system: System, api: httpx.Client) -> None:
    with hung(system.runner_pid(), system.stores.milvus.pid):
        slow_body = sent(system, 1, share=0.5)

        def ended(call: str) -> tuple[int, float]:
            began = time.monotonic()
            if call == "slow body":
                status = int(slow_body.recv(100)[9:12])
            elif call == "runner":
                status = api.post("/encode_text", json=["x"]).status_code
            else:
                status = api.get("/items/a").status_code
            return status, time.monotonic() - began

        with ThreadPoolExecutor(3) as threads:
            for status, seconds in threads.map(ended, ("slow body", "runner", "milvus")):
                assert status in (408, 504)
                assert seconds < PATIENT_LIMIT + SLACK
        slow_body.close()
    assert api.post("/encode_text", json=["x"]).status_code == 200
