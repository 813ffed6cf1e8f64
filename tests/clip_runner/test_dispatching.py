"""Calls become batches: at once where the model is free, together where they had to wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from bentoml._internal.marshal.dispatcher import CorkDispatcher

from clip_runner.abandoned import drop_abandoned_calls
from clip_runner.dispatching import dispatch_at_once

Call = Callable[[str], Awaitable[Any]]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CorkDispatcher, "controller", CorkDispatcher.controller)  # put back when a test has ended
    dispatch_at_once()


class Panic(BaseException):
    """As the tokenizer's Rust raises it."""


class Model:
    """Takes batches, each for as long as the test says."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.free = asyncio.Event()

    async def __call__(self, texts: Sequence[str]) -> Sequence[str]:
        self.batches.append(list(texts))
        await self.free.wait()
        if "bad" in texts:
            raise ValueError("a text that the model cannot take")
        if "worse" in texts:
            raise Panic
        return [text.upper() for text in texts]


@asynccontextmanager
async def dispatched(model: Model, *, max_latency_ms: int = 10_000) -> AsyncIterator[Call]:
    """The model's calls by way of a dispatcher."""
    of: CorkDispatcher[str, str] = CorkDispatcher(
        max_latency_ms, 3, fallback=lambda: "too much to do", get_batch_size=lambda _: 1
    )
    try:
        yield of(model)
    finally:
        of.shutdown()


async def rounds(number: int = 20) -> None:
    """Let everything go on that can."""
    for _ in range(number):
        await asyncio.sleep(0)


def test_what_comes_while_the_model_works_shares_the_next_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        model = Model()
        async with dispatched(model) as call:
            first = asyncio.ensure_future(call("a"))
            await rounds()
            assert model.batches == [["a"]]
            more = [asyncio.ensure_future(call(text)) for text in "bcde"]
            timers = []
            with monkeypatch.context() as patch:
                patch.setattr(asyncio.get_running_loop(), "call_later", lambda *given: timers.append(given))
                await rounds()
            assert not timers  # to wait for the model is to look at no clock
            assert model.batches == [["a"]]
            model.free.set()
            assert await asyncio.gather(first, *more) == list("ABCDE")
            assert model.batches == [["a"], ["b", "c", "d"], ["e"]]

    asyncio.run(run())


def test_a_second_batch_is_begun_before_the_first_has_ended() -> None:
    dispatch_at_once(2)

    async def run() -> None:
        model = Model()
        async with dispatched(model) as call:
            calls = [asyncio.ensure_future(call("a"))]
            await rounds()
            calls.append(asyncio.ensure_future(call("b")))
            await rounds()
            assert model.batches == [["a"], ["b"]]
            calls += [asyncio.ensure_future(call(text)) for text in "cd"]
            await rounds()
            assert model.batches == [["a"], ["b"]]  # the third waits, and its calls share it
            model.free.set()
            assert await asyncio.gather(*calls) == list("ABCD")
            assert model.batches == [["a"], ["b"], ["c", "d"]]

    asyncio.run(run())


def test_a_batch_that_fails_is_not_the_last() -> None:
    async def run() -> None:
        model = Model()
        model.free.set()
        async with dispatched(model) as call:
            with pytest.raises(ValueError, match="cannot take"):
                await call("bad")
            assert await call("good") == "GOOD"
            assert await call("worse") == "too much to do"
            assert await call("good") == "GOOD"

    asyncio.run(run())


def test_a_batch_that_cannot_be_begun_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        model = Model()
        model.free.set()
        async with dispatched(model) as call:
            take = CorkDispatcher._get_inputs

            def broken(self: CorkDispatcher[str, str], most: int | None = None) -> Iterator[Any]:
                yield from take(self, most)
                raise ValueError("the calls cannot be taken")

            with monkeypatch.context() as patch:
                patch.setattr(CorkDispatcher, "_get_inputs", broken)
                assert await call("a") == "too much to do"
            assert await call("b") == "B"

    asyncio.run(run())


def test_a_call_that_has_waited_too_long_is_refused() -> None:
    async def run() -> None:
        model = Model()
        async with dispatched(model, max_latency_ms=50) as call:
            first = asyncio.ensure_future(call("a"))
            await rounds()
            late = asyncio.ensure_future(call("b"))
            await asyncio.sleep(0.1)
            model.free.set()
            assert await first == "A"
            assert await late == "too much to do"
            assert await call("c") == "C"
        assert model.batches == [["a"], ["c"]]

    asyncio.run(run())


def test_what_nobody_waits_for_leaves_the_queue_while_a_batch_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("inbound_call", "_get_inputs", "split_job"):
        monkeypatch.setattr(CorkDispatcher, name, getattr(CorkDispatcher, name))  # put back when the test has ended
    drop_abandoned_calls()

    async def run() -> None:
        model = Model()
        of: CorkDispatcher[str, str] = CorkDispatcher(10_000, 3, fallback=lambda: "", get_batch_size=lambda _: 1)
        call = of(model)
        hanging, left, waiting = (asyncio.ensure_future(call(text)) for text in "abc")
        await rounds()
        assert model.batches == [["a", "b", "c"]]
        left, waiting = (asyncio.ensure_future(call(text)) for text in "de")
        await rounds()
        left.cancel()
        await rounds()
        assert [job.data for job in of._queue] == ["e"]
        model.free.set()
        assert (await hanging, await waiting) == ("A", "E")
        of.shutdown()

    asyncio.run(run())
