"""No request takes longer than it may, and nothing is done for a client that has left."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

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


def encoded(api: httpx.Client) -> int:
    """Photos that the model has encoded so far."""
    (line,) = (
        line
        for line in api.get("/metrics").text.splitlines()
        if line.startswith('runner_batch_items_sum{method="image"')
    )
    return round(float(line.rpartition(" ")[2]))


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


def wait_for(api: httpx.Client, photos: int) -> None:
    """Until so many photos are encoded."""
    deadline = time.monotonic() + PATIENT_LIMIT + SLACK
    while encoded(api) < photos:
        assert time.monotonic() < deadline, f"{encoded(api)} photos were encoded, not {photos}"
        time.sleep(0.01)


def test_what_a_client_that_left_had_queued_is_never_encoded(system: System, api: httpx.Client) -> None:
    assert api.post("/encode_image", files={"files": photos()[0]}).status_code == 200
    before = encoded(api)
    with ThreadPoolExecutor(1) as threads:
        # 32 photos in batches of two; behind them a client queues eight, and leaves before its turn.
        body, content_type = form(32)
        first = threads.submit(api.post, "/encode_image", content=body, headers={"Content-Type": content_type})
        wait_for(api, before + 2)
        queued = sent(system, 8)
        time.sleep(0.2)
        queued.close()
        assert first.result().status_code == 200
    assert api.post("/encode_image", files={"files": photos()[0]}).status_code == 200  # behind whatever was queued
    assert encoded(api) - before == 32 + 1


def test_a_client_that_leaves_in_the_middle_of_its_batches_ends_them(system: System, api: httpx.Client) -> None:
    before = encoded(api)
    leaving = sent(system, 32)
    wait_for(api, before + 2)
    leaving.close()
    time.sleep(0.2)
    assert api.post("/encode_image", files={"files": photos()[0]}).status_code == 200
    assert encoded(api) - before < 32


def test_whatever_hangs_a_request_ends_in_time(system: System, api: httpx.Client) -> None:
    hung = [system.runner_pid(), system.stores.milvus.pid]
    for pid in hung:
        pause(pid)
    try:
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
    finally:
        for pid in hung:
            resume(pid)
    assert api.post("/encode_text", json=["x"]).status_code == 200
