from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from api import scrape
from api.scrape import Scrape


class Made:
    """Texts that say how many were made before; remembers which threads made them."""

    def __init__(self) -> None:
        self.threads: list[int] = []
        self.fails = False

    def __call__(self) -> bytes:
        self.threads.append(threading.get_ident())
        if self.fails:
            raise OSError("no folder")
        return b"%d" % len(self.threads)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "_EVERY", 0.05)
    monkeypatch.setattr(scrape, "_LOOK_EVERY", 0.01)
    monkeypatch.setattr(scrape, "_GOOD_FOR", 0.5)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("fast")
def test_with_room_the_text_is_made_when_it_is_asked_for() -> None:
    async def run() -> None:
        made = Made()
        one = Scrape(made, crowded=lambda: False)
        preparing = asyncio.create_task(one.prepare())
        await asyncio.sleep(0.1)
        assert (one.text(), one.text()) == (b"1", b"2")
        preparing.cancel()

    asyncio.run(run())


@pytest.mark.usefixtures("fast")
def test_without_room_a_thread_makes_it_again_and_again_until_there_is_room() -> None:
    async def run() -> None:
        made, crowded = Made(), True
        one = Scrape(made, crowded=lambda: crowded)
        preparing = asyncio.create_task(one.prepare())
        await until(lambda: len(made.threads) >= 3)
        assert threading.get_ident() not in made.threads
        assert int(one.text()) >= 2
        assert threading.get_ident() not in made.threads

        crowded = False
        await asyncio.sleep(1)
        before = len(made.threads)
        assert one.text() == b"%d" % (before + 1), "a text that is too old was given"
        assert made.threads[-1] == threading.get_ident()
        preparing.cancel()

    asyncio.run(run())


@pytest.mark.usefixtures("fast")
def test_a_failure_is_told_and_the_next_text_is_made_all_the_same() -> None:
    async def run() -> None:
        made = Made()
        made.fails = True
        one = Scrape(made, crowded=lambda: True)
        preparing = asyncio.create_task(one.prepare())
        await until(lambda: len(made.threads) >= 2)
        with pytest.raises(OSError, match="no folder"):
            one.text()
        made.fails = False
        before = len(made.threads)
        await until(lambda: len(made.threads) >= before + 2)
        assert int(one.text()) > before
        preparing.cancel()

    asyncio.run(run())
