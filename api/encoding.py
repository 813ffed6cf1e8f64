"""Texts and photos to vectors: decoding and checking here, the model in the runner."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from loguru import logger
from numpy.typing import NDArray

from api.errors import Unavailable
from api.health import PartWatch
from api.metering import Metrics
from api.settings import ServiceSettings
from api.shared_calls import SharedCalls
from api.text_cache import TextCache, TextVector
from clip_runner.pixel_room import PixelRoom
from clip_runner.pixels import PhotoError, PixelSpec, decode_pixels

T = TypeVar("T")

# Times the largest photo: ordinary ones go on beside one of those.
_ROOM = 1.5

# Items of a call that requests share: a batch of the model's, or a few.
_TEXTS, _PHOTOS = 128, 32


class _Away(Exception):
    """The runner was found away while a call was under way."""


class Runner(Protocol):
    """The runner as the API sees it; over BentoML's dependency in the service."""

    async def encode_texts(self, texts: list[str]) -> NDArray[Any]: ...

    async def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]: ...

    async def describe(self) -> dict[str, Any]: ...

    async def is_ready(self, timeout: int | None = None) -> bool: ...


@dataclass(frozen=True)
class ModelDescription:
    """What the API needs to know of the runner's model."""

    model: str
    dim: int
    pixels: PixelSpec
    device: str
    dtype: str

    @classmethod
    def from_runner(cls, answer: dict[str, Any]) -> ModelDescription:
        return cls(
            model=answer["model"],
            dim=int(answer["dim"]),
            pixels=PixelSpec.from_dict(answer["pixel_spec"]),
            device=str(answer["device"]),
            dtype=str(answer["dtype"]),
        )


class Encoding:
    """Encodes through the runner; a runner that is dead, hung or overloaded becomes `Unavailable`."""

    def __init__(self, runner: Runner, settings: ServiceSettings, metrics: Metrics) -> None:
        self._runner = runner
        # A text in a large batch costs a third less than in one half as large: no small call before a large one. Photos
        # cost the same, and their way to the runner is long.
        self._shared_texts: SharedCalls[str] = SharedCalls(
            lambda texts: self._while_there(runner.encode_texts(texts)),
            most=_TEXTS, second_from=1, waited=metrics.queued,
        )  # fmt: skip
        self._shared_photos: SharedCalls[NDArray[np.uint8]] = SharedCalls(
            lambda pixels: self._while_there(runner.encode_pixels(np.stack(pixels))),
            most=_PHOTOS, second_from=0, waited=metrics.queued,
        )  # fmt: skip
        self._cache = TextCache(settings.text_cache_items)
        self._metrics = metrics
        self._max_mpixels = settings.max_image_mpixels
        self._draft = settings.jpeg_draft
        self._room = PixelRoom(int(_ROOM * settings.max_image_mpixels * 1_000_000))
        self._part_timeout = settings.part_timeout
        # Decoding has a pool of its own: a flood of large photos must not hold up calls to the stores.
        self._pool = ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="decode")
        self._description: ModelDescription | None = None
        self.watch = PartWatch("runner", self._probe, settings, metrics)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _probe(self) -> None:
        """Ask the runner whether it is ready; after each absence, also what it runs."""
        if not self.watch.up:
            self._description = None
        if not await self._runner.is_ready(timeout=max(1, round(self._part_timeout))):
            raise ConnectionError("not ready")
        if self._description is None:
            await self._describe()

    async def model(self) -> ModelDescription:
        """The runner's model; asks the runner where it is not known yet."""
        if self._description is not None:
            return self._description
        return await self._counted("describe", self._while_there(self._describe()))

    async def _describe(self) -> ModelDescription:
        known = ModelDescription.from_runner(await self._runner.describe())
        self._description = known
        self._metrics.model_info.labels(known.model, known.dim, known.device, known.dtype).set(1)
        logger.info("the runner serves {} on {} in {}", known.model, known.device, known.dtype)
        return known

    async def texts(self, texts: list[str]) -> tuple[NDArray[np.float32], list[int]]:
        """Unit vectors (n, dim), float32, and the indices of texts that were cut to the model's context.

        A text that was encoded lately has the very vector that it had then; while the runner is away, none has.
        """
        self.watch.require()
        known = await self.model()
        found = self._cache.find(known.model, texts)
        self._metrics.text_cache("hit", sum(text in found for text in texts))
        if missing := [text for text in dict.fromkeys(texts) if text not in found]:
            with self._metrics.encodings_in_flight.track_inprogress():
                rows = await self._counted("encode_texts", self._shared_texts.rows(missing))
            # A copy: what is kept of a text shall not hold the vectors of all that shared its call.
            made = {
                text: TextVector(vector.copy(), cut)
                for text, vector, cut in zip(missing, rows["vector"], rows["truncated"].tolist(), strict=True)
            }
            self._cache.keep(known.model, made)
            found |= made
            self._metrics.text_cache("miss", len(missing))
            self._metrics.text_cache_items.set(len(self._cache))
        vectors = np.stack([found[text].vector for text in texts])
        return vectors, [index for index, text in enumerate(texts) if found[text].truncated]

    async def photos(self, pixels: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Unit vectors (n, dim), float32, of decoded photos."""
        with self._metrics.encodings_in_flight.track_inprogress():
            return await self._counted("encode_pixels", self._shared_photos.rows(pixels))

    async def decode(self, photos: Sequence[bytes]) -> list[NDArray[np.uint8] | PhotoError]:
        """Each photo's pixels, or why there are none, in the photos' order."""
        spec = (await self.model()).pixels
        loop = asyncio.get_running_loop()
        return await asyncio.gather(
            *(loop.run_in_executor(self._pool, self._decode_one, photo, spec) for photo in photos)
        )

    def _decode_one(self, photo: bytes, spec: PixelSpec) -> NDArray[np.uint8] | PhotoError:
        try:
            return decode_pixels(photo, spec, max_mpixels=self._max_mpixels, draft=self._draft, room=self._room)
        except PhotoError as error:
            return error

    async def _while_there(self, call: Awaitable[T]) -> T:
        """Await a call to the runner, but no longer than the runner is there: `_Away` then."""
        work = asyncio.ensure_future(call)
        gone = asyncio.ensure_future(self.watch.gone())
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise _Away
            return await work
        finally:
            work.cancel()
            gone.cancel()
            # What the call raised holds this frame: no circle shall come of that, in which photos would be kept until
            # the collector comes by.
            del work, gone, call

    async def _counted(self, operation: str, rows: Awaitable[T]) -> T:
        """Await what the runner makes of one request; whatever fails on the way becomes `Unavailable`."""
        outcome = "error"
        try:
            result = await rows
            outcome = "ok"
            return result
        except _Away:
            outcome = "timeout"
            raise Unavailable("runner") from None
        except Exception as error:
            # The dependency's client raises its own, aiohttp's and the operating system's errors alike.
            logger.warning("runner: {} failed: {}: {}", operation, type(error).__name__, error)
            raise Unavailable("runner") from error
        finally:
            self._metrics.backend_call("runner", operation, outcome)
