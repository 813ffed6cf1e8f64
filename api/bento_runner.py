"""The runner behind BentoML's dependency, as `api.encoding.Runner`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class BentoRunner:
    """Calls the runner's methods without blocking.

    The dependency's own methods would block, since the runner's are not async; its `to_async` side has its methods
    only once the service has started, so it is asked for at each call.
    """

    def __init__(self, dependency: Any, health: Any) -> None:
        """`health` is the same dependency once more, to look whether the runner is there while calls are under way."""
        self._dependency = dependency
        self._health = health

    async def encode_texts(self, texts: list[str]) -> NDArray[Any]:
        rows: NDArray[Any] = await self._dependency.to_async.encode_texts(texts)
        return rows

    async def encode_pixels(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        vectors: NDArray[np.float32] = await self._dependency.to_async.encode_pixels(pixels)
        return vectors

    async def describe(self) -> dict[str, Any]:
        answer: dict[str, Any] = await self._dependency.to_async.describe()
        return answer

    async def is_ready(self, timeout: int | None = None) -> bool:
        return bool(await self._health.is_ready(timeout))
