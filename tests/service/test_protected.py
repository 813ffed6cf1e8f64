"""A service with keys, limits and closed pages, over a catalogue that another model has encoded."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from catalog.collections import CollectionModel
from catalog.item import Item
from catalog.vectors import VectorDatabase
from local.ports import HOST, free_port
from tests.stack import ROOT, System

KEYS = {"search": "key-of-the-page", "encode": "key-of-the-loader", "admin": "key-of-the-operator"}
TIMEOUT = 4.0


def entry(scope: str, key: str) -> str:
    return f"{scope}er:{scope}:{hashlib.sha256(key.encode()).hexdigest()}"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = System(
        tmp_path_factory.mktemp("protected"),
        load=False,
        API_KEYS=",".join(entry(scope, key) for scope, key in KEYS.items()),
        OPEN_DOCS="false",
        OPEN_METRICS="false",
        RATE_LIMIT_PER_MINUTE="40",
        MAX_CONCURRENCY="3",
        REQUEST_TIMEOUT=str(TIMEOUT),
        CORS_ORIGINS="https://shop.example",
    )
    yield running
    running.stop()


def ask(system: System, scope: str | None, method: str, path: str, **options: Any) -> httpx.Response:
    headers = options.pop("headers", {}) | ({"Authorization": f"Bearer {KEYS[scope]}"} if scope else {})
    with system.client() as api:
        return api.request(method, path, headers=headers, **options)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_keys_and_scopes(system: System) -> None:
    assert code(ask(system, None, "GET", "/facets")) == (401, "unauthorized")
    assert code(ask(system, None, "GET", "/facets", headers={"X-API-Key": "wrong"})) == (401, "unauthorized")
    assert code(ask(system, "encode", "GET", "/facets")) == (403, "forbidden")
    assert code(ask(system, "search", "POST", "/encode_text", json=["x"])) == (403, "forbidden")
    assert ask(system, "search", "GET", "/facets").status_code == 200
    assert ask(system, None, "GET", "/facets", headers={"X-API-Key": KEYS["admin"]}).status_code == 200
    assert ask(system, "encode", "POST", "/encode_text", json=["x"]).status_code == 200


def test_health_is_open_pages_and_metrics_are_closed(system: System) -> None:
    assert ask(system, None, "GET", "/livez").status_code == 200
    assert ask(system, None, "GET", "/readyz").status_code == 200
    for path in ("/", "/docs.json", "/metrics", "/static_content/swagger-ui.css"):
        assert code(ask(system, None, "GET", path)) == (401, "unauthorized"), path
        assert code(ask(system, "search", "GET", path)) == (403, "forbidden"), path
        assert ask(system, "admin", "GET", path).status_code == 200, path


def test_no_key_is_in_the_log(system: System) -> None:
    ask(system, "search", "GET", "/facets")
    log = system.log.read_text()
    for key in KEYS.values():
        assert key not in log
        assert hashlib.sha256(key.encode()).hexdigest() not in log


def test_logs_and_metrics_say_whose_key_it_was(system: System) -> None:
    assert ask(system, "search", "GET", "/facets").status_code == 200
    deadline = time.monotonic() + 30
    while '"caller":"searcher"' not in system.log.read_text():  # the line is written after the answer
        assert time.monotonic() < deadline
        time.sleep(0.1)
    metrics = ask(system, "admin", "GET", "/metrics").text
    assert 'api_key_requests_total{key="searcher"}' in metrics
    assert 'api_key_requests_total{key="adminer"}' in metrics


def test_every_answer_tells_browsers_to_be_careful(system: System) -> None:
    for answer in (
        ask(system, "search", "GET", "/facets"),
        ask(system, None, "GET", "/nope"),
        ask(system, "admin", "GET", "/"),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    # The Swagger page brings a tracker along: nothing that is not from here is loaded, and no script within the page.
    policy = ask(system, "admin", "GET", "/").headers["content-security-policy"]
    assert "default-src 'self'" in policy and "script-src" not in policy


def test_only_named_origins_may_call_from_a_browser(system: System) -> None:
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    allowed = ask(system, None, "OPTIONS", "/search-image", headers=asked)
    assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
    refused = ask(system, None, "OPTIONS", "/search-image", headers=asked | {"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in refused.headers


def test_vectors_of_two_models_never_meet(system: System) -> None:
    vectors = VectorDatabase(system.stores.settings())
    collection = vectors.create(CollectionModel("another-model@00000000", 256))
    unit = np.eye(256, dtype=np.float32)
    vectors.upsert(collection, [Item(id=str(n), object=str(n), content_hash="", vector=unit[n]) for n in range(5)])
    vectors.publish(collection)
    vectors.close()
    deadline = time.monotonic() + 20
    while (answer := ask(system, "search", "POST", "/search-image", json={"query": "x"})).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert code(answer) == (503, "model_mismatch")
    assert answer.headers["retry-after"]
    assert answer.json()["error"]["details"]["collection"] == "another-model@00000000"
    assert ask(system, "encode", "POST", "/encode_text", json=["x"]).status_code == 200
    like = ask(system, "search", "POST", "/search-image", json={"like": "0"})
    assert {result["id"] for result in like.json()["results"]} == {"1", "2", "3", "4"}
    assert ask(system, None, "GET", "/readyz").status_code == 200


def slow_request(system: System, body: bytes, length: int) -> socket.socket:
    """A request whose body stops before its end."""
    connection = socket.create_connection((HOST, system.port), timeout=30)
    head = f"POST /encode_text HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEYS['admin']}\r\n"
    connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode() + body)
    return connection


def test_a_body_that_never_ends_is_answered_in_time(system: System) -> None:
    started = time.monotonic()
    with slow_request(system, b'["x"', 1000) as connection:
        answer = connection.recv(10_000)
        while b"}}" not in answer and (more := connection.recv(10_000)):
            answer += more
    assert b"504" in answer.split(b"\r\n")[0]
    assert b'"timeout"' in answer
    assert TIMEOUT - 1 < time.monotonic() - started < TIMEOUT + 10  # a busy machine may take its time


def test_more_than_the_limit_at_once_is_refused_but_health_answers(system: System) -> None:
    slow = [slow_request(system, b"[", 1000) for _ in range(3)]
    try:
        time.sleep(0.5)
        refused = ask(system, "search", "GET", "/facets")
        assert code(refused) == (429, "overloaded")
        assert refused.headers["retry-after"] == "1"
        alive = ask(system, None, "GET", "/livez")
        assert (alive.status_code, alive.text) == (200, "ok\n")
        assert ask(system, None, "GET", "/readyz").json()["ready"] is True
        metrics = ask(system, "admin", "GET", "/metrics")
        assert metrics.headers["content-type"].startswith("text/plain; version=")
        # The scrape itself is none of them: the connection has answered it.
        assert "http_requests_in_flight 3.0" in metrics.text
        page = ask(system, None, "GET", "/readyz", headers={"Origin": "https://shop.example"})
        assert page.headers["access-control-allow-origin"] == "https://shop.example"
    finally:
        for connection in slow:
            connection.close()
    time.sleep(0.5)
    # Those who left have given their places back.
    assert ask(system, "search", "GET", "/facets").status_code == 200


def test_hundreds_of_clients_are_heard_at_once(system: System) -> None:
    assert _listening(system.api_pid()) == 64
    assert _listening(system.runner_pid()) < 3


def _listening(pid: int) -> int:
    """By how many descriptors of one socket a process listens."""
    files = Counter(os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir())
    return max(count for name, count in files.items() if name.startswith("socket:"))


def test_a_client_that_asks_too_often_is_told_when_to_come_back(system: System) -> None:
    answers = [ask(system, "encode", "POST", "/encode_text", content=b"") for _ in range(60)]
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert code(limited[0]) == (429, "rate_limited")
    assert 1 <= int(limited[0].headers["retry-after"]) <= 60
    assert ask(system, "admin", "GET", "/facets").status_code == 200  # another key's allowance is its own


def test_who_tries_keys_is_slowed_down(system: System) -> None:
    # Nobody is trusted to say for whom he asks, not even a program of this machine.
    tries = [{"X-API-Key": str(n), "X-Forwarded-For": f"203.0.113.{n}"} for n in range(60)]
    answers = [ask(system, None, "GET", "/facets", headers=headers).status_code for headers in tries]
    assert set(answers) == {401, 429}
    assert ask(system, "admin", "GET", "/facets").status_code == 200


def test_refusals_are_counted(system: System) -> None:
    metrics = ask(system, "admin", "GET", "/metrics").text
    for counter in ('shed_requests_total{reason="overloaded"}', 'shed_requests_total{reason="rate_limited"}',
                    'bad_input_total{code="unauthorized"}'):  # fmt: skip
        (value,) = [line.rpartition(" ")[2] for line in metrics.splitlines() if line.startswith(counter)]
        assert float(value) > 0, counter


def refused_start(**env: str) -> str:
    """What a service says that does not start."""
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", "service:FashionSearch"]
    done = subprocess.run(
        [*command, "--host", HOST, "--port", str(free_port())],
        cwd=ROOT,
        env={**os.environ, "BENTOML_DO_NOT_TRACK": "True", **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_defaults_and_missing_secrets_stop_a_production_start(tmp_path: Path) -> None:
    said = refused_start(ENVIRONMENT="production", BENTOML_HOME=str(tmp_path), MINIO_ACCESS_KEY_ID="minioadmin")
    for name in ("MINIO_ACCESS_KEY_ID", "MINIO_SECRET_ACCESS_KEY", "MILVUS_PASSWORD"):
        assert f"{name} is not set" in said


def test_a_model_that_cannot_be_had_stops_the_start_with_one_line(tmp_path: Path) -> None:
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "BENTOML_HOME": str(tmp_path)}
    said = refused_start(MODEL_ID="openai/clip-vit-base-patch32", **nowhere)
    assert "the model hub does not answer" in said.strip().splitlines()[-1]
    assert "no such folder" in refused_start(MODEL_ID="/no/such/folder", BENTOML_HOME=str(tmp_path))


def test_settings_that_make_no_sense_are_named(tmp_path: Path) -> None:
    assert "API_KEYS" in refused_start(API_KEYS="x", BENTOML_HOME=str(tmp_path))
    assert "MAX_CONCURRENCY" in refused_start(MAX_CONCURRENCY="many", BENTOML_HOME=str(tmp_path))
