"""Which requests take the short way."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from api.app import create_app, with_short_way
from api.metering import Metrics
from api.settings import ServiceSettings
from api.short_way import ShortWay


async def long(_: Request) -> Response:
    return PlainTextResponse("long")


async def short(request: Request, parts: object) -> Response:
    return PlainTextResponse(f"short, {parts}, {(await request.body()).decode()}")


@pytest.mark.parametrize(
    ("method", "url", "answer"),
    [
        ("POST", "/often", "short, the parts, x"),
        ("POST", "/often?how=other", "long"),
        ("GET", "/often", "long"),
        ("POST", "/seldom", "long"),
    ],
)
def test_a_post_without_a_query_string_takes_it(method: str, url: str, answer: str) -> None:
    app = Starlette(routes=[Route(path, long, methods=["GET", "POST"]) for path in ("/often", "/seldom")])
    app.state.parts = "the parts"

    async def run() -> str:
        transport = httpx.ASGITransport(ShortWay(app, {"/often": short}))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return (await client.request(method, url, content=b"x")).text

    assert asyncio.run(run()) == answer


def test_nobody_takes_it_past_the_layer_that_answers_other_sites_pages() -> None:
    settings = ServiceSettings(_env_file=None)
    app = create_app(settings, Metrics(CollectorRegistry()))
    assert isinstance(with_short_way(app, settings), ShortWay)
    assert with_short_way(app, ServiceSettings(_env_file=None, cors_origins=["https://shop.example"])) is app
