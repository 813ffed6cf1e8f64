"""While there is no room, connections refuse by themselves what the gate would refuse, and in its words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import bounds
from api.admission import Admission
from api.connections import Connection
from api.gate import Gate
from api.metering import Metrics
from api.no_room import NoRoom
from api.settings import ServiceSettings
from api.turns import Turns
from local.ports import HOST
from tests.api import serving

KEY = {"X-API-Key": "a key"}
KEYS = "shop:search:70c08c1f8b6a8b30bd6b2b5f0e1fb3e0ee8e6a3b0d9d0a9c1e8c7a9b3b6f0a55"


async def app(_: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    body = b""
    while (message := await receive()).get("more_body"):
        body += message["body"]
    body += message["body"]
    told = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(told))]})
    await send({"type": "http.response.body", "body": told})


class Served:
    """The gate around `app`, served over our connections."""

    def __init__(self, **settings: Any) -> None:
        chosen = ServiceSettings(_env_file=None, max_concurrency=1, **settings)
        self.metrics = Metrics(CollectorRegistry())
        self.admission = Admission(chosen, self.metrics)
        self.gate = Gate(
            app, public=app, settings=chosen, admission=self.admission, turns=Turns(lambda: 0.02), metrics=self.metrics
        )
        self.tasks = 0

        self.no_room = NoRoom(self.admission, self.metrics)

        class Guarded(Connection):
            no_room = self.no_room

        self.connection = Guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.tasks += 1
        await self.gate(scope, receive, send)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        limits = httpx.Limits(max_connections=1)
        async with (
            serving.served(self, self.connection) as port,
            httpx.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False, limits=limits) as client,
        ):
            yield client


def test_a_connection_says_what_the_gate_says_and_is_good_for_the_next_request() -> None:
    async def run() -> None:
        served = Served()
        async with served.client() as client:
            assert (await client.post("/search-image", content=b"x" * 3_000_000)).text == "3000000"
            with served.admission.room.slot():
                tasks = served.tasks
                quick = await client.post("/search-image", content=b"x" * 3_000_000, headers={"X-Request-ID": "a"})
                assert served.tasks == tasks
                # What is unusual goes the usual way.
                usual = await client.request("PUT", "/search-image", headers={"X-Request-ID": "a"})
                assert served.tasks == tasks + 1
                assert quick.status_code == usual.status_code == 429
                for answer in (quick, usual):
                    del answer.headers["date"]
                assert (quick.content, quick.headers) == (usual.content, usual.headers)
                assert (await client.get("/livez")).status_code == 200
                for path in ("/encode_text?x=1", "/items/a"):
                    assert (await client.get(path)).json()["error"]["code"] == "overloaded"
                assert served.tasks == tasks + 2
            assert (await client.post("/search-image", content=b"xyz")).text == "3"
        text = served.metrics.exposition().decode()
        assert 'shed_requests_total{reason="overloaded"} 4.0' in text
        assert 'http_request_duration_seconds_count{handler="/items/{id}",method="GET",status="429"} 1.0' in text

    asyncio.run(run())


def test_in_one_round_no_more_go_the_usual_way_than_there_is_room_for() -> None:
    async def run() -> None:
        served = Served()
        with served.admission.room.slot():
            pass
        assert served.no_room.lately

        def answer() -> bytes | None:
            return served.no_room.answer("POST", "/search-image", (), None, ())

        for _ in range(2):
            assert answer() is None
            assert served.no_room.answer("GET", "/", (), None, ()) is None  # needs no room
            for _ in range(2):
                assert (answer() or b"").startswith(b"HTTP/1.1 429 ")
            await asyncio.sleep(0)  # what was let in has taken its place, or has gone

    asyncio.run(run())


def test_who_may_not_enter_takes_no_place() -> None:
    async def run() -> None:
        known = f"shop:search:{sha256(b'a key').hexdigest()}"
        served = Served(api_keys=known)
        with served.admission.room.slot():
            pass
        for headers in ((), ((b"x-api-key", b"another key"),), ((b"x-api-key", b"a key"),)):
            assert served.no_room.answer("POST", "/search-image", headers, None, ()) is None
        refused = served.no_room.answer("POST", "/search-image", ((b"x-api-key", b"a key"),), None, ())
        assert (refused or b"").startswith(b"HTTP/1.1 429 ")

    asyncio.run(run())


def test_who_may_not_enter_is_told_so_first() -> None:
    async def run() -> None:
        served = Served(api_keys=KEYS, rate_limit_per_minute=1)
        async with served.client() as client:
            with served.admission.room.slot():
                for expected in (401, 429):
                    answer = await client.post("/search-image", headers=KEY)
                    assert answer.status_code == expected
                assert answer.json()["error"]["code"] == "rate_limited"
                assert int(answer.headers["Retry-After"]) > 1
        assert served.tasks == 0

    asyncio.run(run())


def test_health_and_metrics_wait_for_no_task() -> None:
    async def run() -> None:
        keys = ("shop", "search", "a key"), ("owner", "admin", "another key")
        known = ",".join(f"{name}:{scope}:{sha256(key.encode()).hexdigest()}" for name, scope, key in keys)
        served = Served(api_keys=known, open_metrics=False)
        served.no_room.vital = {"/livez": lambda: Response(b"0"), "/metrics": lambda: Response(b"0")}
        admin = {"X-API-Key": "another key"}
        async with served.client() as client:
            usual = await client.get("/livez", headers={"X-Request-ID": "a"})
            with served.admission.room.slot():
                tasks = served.tasks
                quick = await client.get("/livez", headers={"X-Request-ID": "a"})
                for answer in (quick, usual):
                    del answer.headers["date"]
                assert (quick.status_code, quick.content, quick.headers) == (200, usual.content, usual.headers)
                for headers, status in (({}, 401), (KEY, 403), (admin, 200)):
                    assert (await client.get("/metrics", headers=headers)).status_code == status
                assert served.tasks == tasks
                # What is unusual goes the usual way.
                assert (await client.get("/livez", headers={"Origin": "http://x"})).text == "0"
                assert (await client.post("/livez")).text == "0"
                assert served.tasks == tasks + 2
        text = served.metrics.exposition().decode()
        assert 'http_request_duration_seconds_count{handler="/livez",method="GET",status="200"} 3.0' in text
        assert "shed_requests_total" in text and 'reason="overloaded"} 0.0' in text

    asyncio.run(run())


def test_in_a_moment_of_room_health_still_waits_for_no_task_and_what_can_be_served_is() -> None:
    async def run() -> None:
        served = Served()
        served.no_room.vital = {"/livez": lambda: Response(b"0")}
        async with served.client() as client:
            await client.get("/livez")
            assert served.tasks == 1
            with served.admission.room.slot():
                pass
            assert (await client.get("/livez")).status_code == 200
            assert served.tasks == 1
            assert (await client.post("/search-image", content=b"xyz")).text == "3"
            assert served.tasks == 2

    asyncio.run(run())


def test_requests_in_a_row_and_bodies_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_SECONDS", 1.0)

    async def run() -> None:
        served = Served()
        async with served.client() as client:
            url = client.base_url
            ask = b"POST /search-image HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
            with served.admission.room.slot():
                # Three at once: the first is refused at once, the others in their turn, none twice.
                reader, writer = await asyncio.open_connection(url.host, url.port)
                writer.write((ask + b"body") * 3)
                for _ in range(3):
                    assert (await reader.readuntil(b"}}")).startswith(b"HTTP/1.1 429")
                assert served.tasks == 2
                # A body in pieces, and time after it: the connection is still there for the next.
                writer.write(ask + b"bo")
                assert (await reader.readuntil(b"}}")).startswith(b"HTTP/1.1 429")
                await asyncio.sleep(0.6)
                writer.write(b"dy")
                await asyncio.sleep(0.6)
            writer.write(ask + b"body")
            assert (await reader.readuntil(b"\r\n\r\n4")).startswith(b"HTTP/1.1 200")
            with served.admission.room.slot():
                # A refused body that does not come costs the connection.
                writer.write(ask + b"bo")
                assert (await asyncio.wait_for(reader.read(), 10)).endswith(b"}}")
                # HTTP/1.0 has one request a connection, and goes the usual way.
                reader, writer = await asyncio.open_connection(url.host, url.port)
                writer.write(ask.replace(b"1.1", b"1.0") + b"body")
                assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 429")
            assert served.tasks == 4
        text = served.metrics.exposition().decode()
        assert 'shed_requests_total{reason="overloaded"} 6.0' in text

    asyncio.run(run())


def test_an_instance_that_is_about_to_stop_says_so_with_its_refusals(tmp_path: Path) -> None:
    async def run() -> None:
        served = Served(drain_file=tmp_path / "draining")
        async with served.client() as client:
            with served.admission.room.slot():
                assert (await client.post("/search-image")).headers.get("connection") != "close"
                (tmp_path / "draining").touch()
                answer = await client.post("/search-image")
                assert (answer.status_code, answer.headers["connection"]) == (429, "close")
        assert served.tasks == 1

    asyncio.run(run())


def test_the_last_request_of_a_connection_and_one_that_asks_first_go_the_usual_way() -> None:
    async def run() -> None:
        served = Served()
        async with served.client() as client:
            with served.admission.room.slot():
                for headers in ({"Connection": "close"}, {"Expect": "100-continue"}):
                    answer = await client.post("/search-image", content=b"x", headers=headers)
                    assert answer.status_code == 429
        assert served.tasks == 2

    asyncio.run(run())
