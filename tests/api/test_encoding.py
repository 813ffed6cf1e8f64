"""What requests that share a call to the runner are told when it fails, and what is kept of them then: nothing."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from api.encoding import Encoding, ModelDescription
from api.errors import Unavailable
from api.metering import Metrics
from api.settings import ServiceSettings
from clip_runner.pixels import PixelSpec


class Runner:
    """Answers, fails, or hangs, as the test says."""

    def __init__(self, texts: Any = None) -> None:
        self._texts = texts
        self.calls: list[list[str]] = []

    async def encode_texts(self, texts: list[str]) -> NDArray[Any]:
        self.calls.append(texts)
        await asyncio.sleep(0.01)
        if self._texts is None:
            await asyncio.Event().wait()
        if isinstance(self._texts, Exception):
            raise type(self._texts)(*self._texts.args)
        rows: NDArray[Any] = self._texts
        return rows

    async def encode_pixels(self, _: NDArray[np.uint8]) -> NDArray[np.float32]:
        raise ConnectionResetError("the runner was killed")

    async def describe(self) -> dict[str, Any]:
        raise NotImplementedError

    async def is_ready(self, timeout: int | None = None) -> bool:
        raise NotImplementedError


def counted(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    """Calls by operation and outcome, where there were any."""
    return {
        (sample.labels["operation"], sample.labels["outcome"]): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "backend_calls_total" and sample.value
    }


def encoding(runner: Runner) -> tuple[Encoding, CollectorRegistry]:
    registry = CollectorRegistry()
    made = Encoding(runner, ServiceSettings(_env_file=None), Metrics(registry))
    made._description = ModelDescription("model", 2, PixelSpec(8, 8, 8, 2), "cpu", "float32")
    return made, registry


@contextmanager
def without_the_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("told", [ConnectionResetError("killed"), np.zeros((9, 2))], ids=["fails", "too many rows"])
def test_each_of_those_that_share_a_call_is_told_that_the_runner_is_away(told: Any) -> None:
    runner = Runner(told)

    async def run() -> list[Any]:
        of, registry = encoding(runner)
        results = await asyncio.gather(*(of.texts([text]) for text in "abcdef"), return_exceptions=True)
        assert counted(registry) == {("encode_texts", "error"): 6}
        return results

    failures = asyncio.run(run())
    assert [type(failure) for failure in failures] == [Unavailable] * 6
    assert len({id(failure) for failure in failures}) == 6
    assert len(runner.calls) == 3


def test_a_runner_that_is_found_away_ends_all_calls() -> None:
    async def run() -> None:
        of, registry = encoding(Runner())
        waiting = [asyncio.create_task(of.texts([text])) for text in "abc"]
        await asyncio.sleep(0.05)
        of.watch._set(False, None)
        for each in waiting:
            with pytest.raises(Unavailable):
                await each
        assert counted(registry) == {("encode_texts", "timeout"): 3}

    asyncio.run(run())


def test_a_call_that_hangs_until_its_requests_are_ended_counts_as_an_error() -> None:
    async def run() -> None:
        of, registry = encoding(Runner())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await of.texts(["a"])
        assert counted(registry) == {("encode_texts", "error"): 1}

    asyncio.run(run())


class Photo(np.ndarray[Any, np.dtype[np.uint8]]):
    """An array that can be watched."""


def test_a_failed_call_keeps_no_photos() -> None:
    held: list[weakref.ref[Photo]] = []

    async def one(of: Encoding) -> None:
        photo = np.zeros((8, 8, 3), np.uint8).view(Photo)
        held.append(weakref.ref(photo))
        photos: Sequence[NDArray[np.uint8]] = [photo]
        with pytest.raises(Unavailable):
            await of.photos(photos)

    async def run() -> None:
        of, _ = encoding(Runner())
        await asyncio.gather(*(one(of) for _ in range(3)))

    with without_the_collector():
        asyncio.run(run())
        assert [photo() is None for photo in held] == [True] * 3
