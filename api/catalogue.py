"""The stores as the API uses them: their blocking calls in threads, their state watched, their errors translated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from loguru import logger
from numpy.typing import NDArray

from api.errors import InvalidValue, Unavailable
from api.errors import UnknownFilter as UnknownFilterAnswer
from api.health import PartWatch
from api.metering import Metrics
from api.settings import ServiceSettings
from catalog.collections import Collection
from catalog.errors import CollectionMissing, InvalidFilter, StoreRefused, StoreUnavailable, UnknownFilter
from catalog.facets import Facets
from catalog.images import ImageStore
from catalog.item import Item
from catalog.vectors import Hit, VectorDatabase

T = TypeVar("T")

# Calls to the stores wait, they do not compute: enough threads that a slow one does not hold up the others,
# and few enough that they do not all ask for the interpreter's lock when many searches come back at once.
_THREADS = 16
_PROBE_THREADS = 4


class Catalogue:
    """The collection that is searched now, and its photos."""

    def __init__(
        self, vectors: VectorDatabase, images: ImageStore, settings: ServiceSettings, metrics: Metrics
    ) -> None:
        self._vectors = vectors
        self._images = images
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="stores")
        # Probes have threads of their own: while a store hangs, all others may be waiting for it.
        self._probe_pool = ThreadPoolExecutor(_PROBE_THREADS, thread_name_prefix="probes")
        self._collection: Collection | None = None
        self._known = False
        self._facets = Facets()
        self.milvus_watch = PartWatch("milvus", self._probe_milvus, settings, metrics)
        self.store_watch = PartWatch("store", self._probe_store, settings, metrics)

    def close(self) -> None:
        for pool in (self._pool, self._probe_pool):
            pool.shutdown(wait=False, cancel_futures=True)
        self._vectors.close()

    async def collection(self) -> Collection | None:
        """The collection that the alias pointed to at the last look; None where nothing has been loaded."""
        self.milvus_watch.require()
        if not self._known:
            await self._call("current", self._look)
        return self._collection

    async def search(
        self,
        collection: Collection,
        vector: NDArray[np.float32],
        *,
        limit: int,
        offset: int,
        min_score: float | None,
        filters: dict[str, Any],
        leave_out: str | None,
    ) -> list[Hit]:
        """The nearest items; see `VectorDatabase.search`. A collection dropped meanwhile is looked up anew."""

        def run(where: Collection) -> list[Hit]:
            return self._vectors.search(
                where,
                vector,
                limit=limit,
                offset=offset,
                min_score=min_score,
                filters=filters,
                fields=tuple(self._facets.fields),
                leave_out=leave_out,
            )

        try:
            return await self._call("search", lambda: run(collection))
        except CollectionMissing:
            self._known = False
            now = await self.collection()
            # Only vectors of the same model may be compared with this one.
            if now is None or now.model != collection.model:
                return []
            return await self._call("search", lambda: run(now))

    async def get(self, id: str, *, with_vector: bool = False) -> Item | None:
        """One item, or None."""
        collection = await self.collection()
        if collection is None:
            return None
        items = await self._call("get", lambda: self._vectors.get(collection, [id], with_vector=with_vector))
        return items[0] if items else None

    async def facets(self) -> Facets:
        """The facets of the last load."""
        self.milvus_watch.require()
        if not self._known:
            await self._call("current", self._look)
        return self._facets

    def link(self, item: Item) -> str:
        """A link to an item's photo; signed here, so it works while the store is away."""
        return self._images.link(item.object)

    def _look(self) -> None:
        """Learn which collection is searched, and what it can be filtered by."""
        collection = self._vectors.current()
        self._facets = self._vectors.facets(collection, self._facets) if collection else Facets()
        if collection != self._collection or not self._known:
            logger.info("searching {}", collection.name if collection else "nothing: no catalogue is loaded")
        self._collection = collection
        self._known = True
        self._metrics.collection_items.set(self._facets.total)

    async def _probe_milvus(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._probe_pool, self._look)

    async def _probe_store(self) -> None:
        """The one call to the store that the service makes: links are signed without it."""
        outcome = "error"
        try:
            await asyncio.get_running_loop().run_in_executor(self._probe_pool, self._images.ping)
            outcome = "ok"
        finally:
            self._metrics.backend_call("store", "probe", outcome)

    async def _call(self, operation: str, function: Callable[[], T]) -> T:
        """Run a blocking call to Milvus in a thread, metered, its errors in the API's words."""
        outcome = "error"
        try:
            result = await asyncio.get_running_loop().run_in_executor(self._pool, function)
            outcome = "ok"
            return result
        except UnknownFilter as error:
            outcome = "ok"  # the call was never made
            raise UnknownFilterAnswer(error.field, error.known) from error
        except InvalidFilter as error:
            outcome = "ok"
            raise InvalidValue(f"filters: {error}.") from error
        except StoreUnavailable as error:
            raise Unavailable(error.part) from error
        except StoreRefused as error:
            logger.error("{}", error)
            raise Unavailable(error.part) from error
        finally:
            self._metrics.backend_call("milvus", operation, outcome)
