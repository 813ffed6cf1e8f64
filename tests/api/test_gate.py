"""What the gate keeps of a request once it is answered: nothing."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import weakref
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from api.admission import Admission
from api.errors import InvalidValue
from api.gate import Gate
from api.metering import Metrics
from api.settings import ServiceSettings
from api.turns import Turns
from tests.stack import ROOT


class Photo:
    """Something large that a route holds while it fails."""


@pytest.mark.parametrize("failure", [InvalidValue("no"), ZeroDivisionError("no")], ids=["mistake", "error"])
def test_a_refused_request_waits_for_no_collector(failure: Exception) -> None:
    held: list[weakref.ref[Photo]] = []

    async def route(_: Scope, receive: Receive, __: Send) -> None:
        photo = Photo()
        held.append(weakref.ref(photo))
        await receive()
        raise type(failure)("no")

    settings, metrics = ServiceSettings(_env_file=None), Metrics(CollectorRegistry())
    gate = Gate(
        Starlette(), public=route, settings=settings, admission=Admission(settings, metrics),
        turns=Turns(lambda: 0.02), metrics=metrics,
    )  # fmt: skip

    async def run() -> Any:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://x") as client:
            return await client.post("/encode_text", content=b"[]")

    gc.collect()
    gc.disable()
    try:
        answer = asyncio.run(run())
        assert answer.status_code in (400, 422, 500)
        assert [photo() for photo in held] == [None]
    finally:
        gc.enable()


def test_the_services_gate_leads_to_the_short_way() -> None:
    made = "import service; print(type(service.gate(None)._public).__name__)"
    told = subprocess.run([sys.executable, "-c", made], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert told.stdout.split() == ["ShortWay"], told.stderr
