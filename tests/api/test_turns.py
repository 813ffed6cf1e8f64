from __future__ import annotations

import asyncio
import time

import pytest

from api.turns import Turns


def test_one_goes_on_in_each_short_round_of_the_loop_and_who_left_holds_up_nobody() -> None:
    async def run() -> list[tuple[int, int]]:
        turns, round, ended = Turns(lambda: 0.02), 0, list[tuple[int, int]]()

        async def count_rounds() -> None:
            nonlocal round
            while True:
                round += 1
                await asyncio.sleep(0)

        async def one(number: int) -> None:
            await turns.take()
            time.sleep(0.05)  # longer than all else in a round
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


@pytest.mark.parametrize(
    ("one_takes", "bound", "fewest", "most"),
    [
        (0.0, 1.0, 20, 60),
        (0.01, 1.0, 2, 30),  # a slow turn does not make more of them go on
        (0.01, 0.02, 1, 2),
        (0.0, 0.0, 1, 1),
    ],
)
def test_turns_take_about_as_much_of_a_round_as_all_else_within_a_bound(
    one_takes: float, bound: float, fewest: int, most: int
) -> None:
    async def run() -> list[int]:
        turns, round, ended = Turns(lambda: bound), 0, list[int]()

        async def one() -> None:
            await turns.take()
            time.sleep(one_takes)
            ended.append(round)

        tasks = [asyncio.create_task(one()) for _ in range(60)]
        while not all(task.done() for task in tasks):
            round += 1
            time.sleep(0.05)  # whatever else the loop does
            await asyncio.sleep(0)
        return [ended.count(each) for each in set(ended)]

    assert fewest <= max(asyncio.run(run())) <= most
