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

    def shared(self, most: int = 8, second_from: float = 0) -> SharedCalls[int]:
        return SharedCalls(self, most=most, second_from=second_from, waited=self.waits.append)


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


def test_a_second_call_waits_until_it_is_as_large_as_the_one_under_way() -> None:
    async def scenario(model: Model) -> None:
        shared = model.shared(second_from=1)
        waiting = [asyncio.create_task(shared.rows(items)) for items in ([1, 2, 3], [4], [5])]
        await settle()
        assert model.calls == [[1, 2, 3]]
        waiting.append(asyncio.create_task(shared.rows([6])))
        await settle()
        assert model.calls[1:] == [[4, 5, 6]]
        waiting.append(asyncio.create_task(shared.rows([7, 8, 9, 10])))  # there are two
        await settle()
        assert len(model.calls) == 2
        model.answer()
        await settle()
        assert model.calls[2:] == [[7, 8, 9, 10]]
        waiting.append(asyncio.create_task(shared.rows([11])))
        model.answer(2)
        await settle()
        assert model.calls[3:] == [[11]]  # small, but nothing is under way
        model.answer()
        assert [row for rows in waiting for row in (await rows).tolist()] == list(range(1, 12))

    run(scenario)


def test_a_second_call_that_is_full_waits_for_nothing() -> None:
    async def scenario(model: Model) -> None:
        shared = model.shared(second_from=1, most=4)
        waiting = [asyncio.create_task(shared.rows(items)) for items in (list(range(9)), [10, 11], [12], [14])]
        await settle()
        assert model.calls == [list(range(9)), [10, 11, 12, 14]]
        model.answer(2)
        await asyncio.gather(*waiting)

    run(scenario)


def test_who_leaves_counts_no_longer_among_those_who_wait() -> None:
    async def scenario(model: Model) -> None:
        shared = model.shared(second_from=1)
        waiting = [asyncio.create_task(shared.rows(items)) for items in ([1, 2, 3], [4], [5])]
        await settle()
        waiting.pop(1).cancel()
        waiting.append(asyncio.create_task(shared.rows([6])))
        await settle()
        assert model.calls == [[1, 2, 3]]
        waiting.append(asyncio.create_task(shared.rows([7])))
        await settle()
        assert model.calls[1:] == [[5, 6, 7]]
        model.answer(2)
        await asyncio.gather(*waiting)

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
                await SharedCalls(call, most=8, second_from=0, waited=model.waits.append).rows([1])

    run(scenario)
