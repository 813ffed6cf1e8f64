"""What BentoML keeps of a request ends with it."""

from __future__ import annotations

import asyncio
import weakref

import pytest
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from starlette.types import Message, Receive, Scope, Send

from api.time_limit import leave_time_to_the_gate


def test_nothing_is_kept_of_a_request_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimeoutMiddleware, "__call__", TimeoutMiddleware.__call__)  # put back when the test has ended
    leave_time_to_the_gate()
    sent: list[Message] = []
    kept: list[weakref.ref[asyncio.Task[None]]] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        kept.append(weakref.ref(task))
        await send({"type": "http.response.start", "status": 200})

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        timers = []
        monkeypatch.setattr(loop, "call_later", lambda *given: timers.append(given))
        await TimeoutMiddleware(app, timeout=30)({"type": "http"}, receive, send)
        assert not timers
        assert kept[0]() is asyncio.current_task()  # no task of its own

    asyncio.run(run())
    assert [message["type"] for message in sent] == ["http.response.start"]
