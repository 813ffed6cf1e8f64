"""Requests that wait together share a call, and nobody pays for another's leaving."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from api.shared_calls import SharedCalls


class Model:
    """Answers each call when it is let; the row of an item is the item."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.cancelled = 0
        self.waits: list[float] = []
        self._free = asyncio.Semaphore(0)

    async def __call__(self, items: list[int]) -> NDArray[Any]:
        self.calls.append(items)
        try:
            await self._free.acquire()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if 13 in items:
            raise RuntimeError("thirteen")
        return np.array(items)

    def answer(self, calls: int = 1) -> None:
        for _ in range(calls):
            self._free.release()

    def shared(self, most: int = 8, under_way: int = 2) -> SharedCalls[int]:
        return SharedCalls(self, most=most, under_way=under_way, waited=self.waits.append)


def run(scenario: Callable[[Model], Coroutine[Any, Any, None]]) -> None:
    async def scene() -> None:
        await scenario(Model())

    asyncio.run(asyncio.wait_for(scene(), 10))


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_what_waits_goes_together_and_each_gets_its_own_rows() -> None:
    async def scenario(model: Model) -> None:
        shared = model.shared()
        requests = [[1], [2], [3, 4], [5], [6, 7, 8, 9], [10], list(range(20, 32)), [11]]
        waiting = [asyncio.create_task(shared.rows(items)) for items in requests]
        await settle()
        # The first two find the model free; the others wait, and no call but that of a larger request is above 8 items.
        assert model.calls == [[1], [2]]
        for _ in range(6):
            model.answer()
            await settle()
        assert model.calls[2:] == [[3, 4, 5, 6, 7, 8, 9, 10], list(range(20, 32)), [11]]
        assert [(await rows).tolist() for rows in waiting] == requests
        assert len(model.waits) == len(requests)

    run(scenario)


def test_where_one_call_is_under_way_all_that_comes_meanwhile_shares_the_next() -> None:
    async def scenario(model: Model) -> None:
        shared = model.shared(under_way=1)
        waiting = [asyncio.create_task(shared.rows([item])) for item in range(5)]
        await settle()
        assert model.calls == [[0]]
        model.answer()
        await settle()
        assert model.calls[1:] == [[1, 2, 3, 4]]
        model.answer()
        assert [(await rows).tolist() for rows in waiting] == [[0], [1], [2], [3], [4]]

    run(scenario)


def test_a_failed_call_fails_its_own_requests_alone() -> None:
    async def scenario(model: Model) -> None:
        shared = model.shared()
        waiting = [asyncio.create_task(shared.rows([item])) for item in (1, 2, 12, 13)]
        await settle()
        model.answer(3)
        good, bad = await asyncio.gather(*waiting[:2]), waiting[2:]
        assert [rows.tolist() for rows in good] == [[1], [2]]
        for request in bad:
            with pytest.raises(RuntimeError, match="thirteen"):
                await request
        model.answer()
        assert (await shared.rows([14])).tolist() == [14]

    run(scenario)


def test_who_leaves_is_not_encoded_and_holds_up_nobody() -> None:
    async def scenario(model: Model) -> None:
        shared = model.shared()
        waiting = [asyncio.create_task(shared.rows([item])) for item in range(6)]
        await settle()
        waiting[0].cancel()  # alone in its call, which ends with it
        waiting[3].cancel()  # not sent yet
        await settle()
        assert model.cancelled == 1
        assert model.calls == [[0], [1], [2, 4, 5]]
        waiting[4].cancel()  # its call goes on for the others
        model.answer(2)
        rows = [(await waiting[item]).tolist() for item in (1, 2, 5)]
        assert rows == [[1], [2], [5]]
        assert model.cancelled == 1

    run(scenario)


def test_a_call_that_ends_without_its_rows_fails_its_requests() -> None:
    async def scenario(model: Model) -> None:
        async def short(items: list[int]) -> NDArray[Any]:
            return np.array(items[1:])

        async def ended(_: list[int]) -> NDArray[Any]:
            raise asyncio.CancelledError

        for call, words in ((short, "0 rows for 1 items"), (ended, "ended")):
            with pytest.raises(ConnectionError, match=words):
                await SharedCalls(call, most=8, under_way=2, waited=model.waits.append).rows([1])

    run(scenario)
