"""What the application makes of its own failures."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from prometheus_client import CollectorRegistry

from api.app import create_app
from api.metering import Metrics
from api.settings import ServiceSettings


def test_an_error_of_ours_is_told_in_the_form_of_all_errors() -> None:
    app = create_app(ServiceSettings(_env_file=None), Metrics(CollectorRegistry()))

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("a secret")

    async def run() -> None:
        quiet = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=quiet, base_url="http://x") as client:
            answer = await client.get("/broken")
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "internal_error"
        assert "secret" not in answer.text
        # The error itself goes on, to the gate, which logs it.
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            with pytest.raises(ZeroDivisionError):
                await client.get("/broken")

    asyncio.run(run())
