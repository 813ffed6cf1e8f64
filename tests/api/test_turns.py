from __future__ import annotations

import asyncio
import time

from api.turns import Turns


def test_one_goes_on_in_each_short_round_of_the_loop_and_who_left_holds_up_nobody() -> None:
    async def run() -> list[tuple[int, int]]:
        turns, round, ended = Turns(), 0, list[tuple[int, int]]()

        async def count_rounds() -> None:
            nonlocal round
            while True:
                round += 1
                await asyncio.sleep(0)

        async def one(number: int) -> None:
            await turns.take()
            ended.append((number, round))

        counting = asyncio.create_task(count_rounds())
        tasks = [asyncio.create_task(one(number)) for number in range(6)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.wait(tasks, timeout=5)
        await one(6)  # and it goes on after all were served
        counting.cancel()
        return ended

    ended = asyncio.run(run())
    assert [number for number, _ in ended] == [0, 2, 3, 4, 5, 6]
    rounds = [round for _, round in ended]
    assert len(set(rounds)) == len(rounds)


def test_long_rounds_have_more_turns() -> None:
    async def run() -> list[int]:
        turns, round, ended = Turns(), 0, list[int]()

        async def one() -> None:
            await turns.take()
            ended.append(round)

        tasks = [asyncio.create_task(one()) for _ in range(200)]
        while not all(task.done() for task in tasks):
            round += 1
            time.sleep(0.05)  # whatever else the loop does
            await asyncio.sleep(0)
        return ended

    ended = asyncio.run(run())
    assert max(ended) < 40
    assert max(ended.count(round) for round in ended) < 200
