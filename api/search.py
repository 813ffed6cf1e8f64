"""The search itself: what was given becomes one unit vector, its neighbours become results with links."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from api.encoding import Encoding
from api.errors import ModelMismatch, NotFound, UnreadablePhoto
from api.metering import Metrics
from api.schemas import SearchQuery
from api.turns import Turns
from catalog.item import Item
from clip_runner.pixels import PhotoError

if TYPE_CHECKING:  # loading the stores' clients takes most of a second, see api/startup.py
    from api.catalogue import Catalogue

_ENDPOINT = "/search-image"


class Search:
    """Searches the catalogue and looks its items up."""

    def __init__(
        self, encoding: Encoding, catalogue: Catalogue, metrics: Metrics, turns: Turns, *, prompt_template: str
    ) -> None:
        self._encoding = encoding
        self._catalogue = catalogue
        self._metrics = metrics
        self._turns = turns
        self._template = prompt_template

    async def run(self, query: SearchQuery, photo: bytes | None) -> dict[str, Any]:
        """The answer to a search (see `SearchAnswer`); `photo` is the uploaded file's content."""
        started = perf_counter()
        timings = dict.fromkeys(("decode_ms", "encode_ms", "search_ms", "presign_ms"), 0.0)
        collection = await self._catalogue.collection()
        text = self.prompt(query.query) if query.query is not None else None
        pictures: list[NDArray[np.float32]] = []
        words: NDArray[np.float32] | None = None
        if photo is not None:
            pictures.append(await self._encode_photo(photo, timings))
        if text is not None:
            with self._metrics.stage("encode", timings):
                vectors, _ = await self._encoding.texts([text])
            self._metrics.encoded("text", _ENDPOINT, 1)
            words = vectors[0]
        await self._turns.take()
        if collection is not None and (photo is not None or text is not None):
            # Vectors of two models must never meet; an item's own vector is at home in its collection.
            model = (await self._encoding.model()).model
            if model != collection.model.model:
                raise ModelMismatch(model, collection.model.model)
        if query.like is not None:
            pictures.append(await self._vector_of(query.like, timings))

        hits = []
        if collection is not None:
            with self._metrics.stage("search", timings):
                # One more than asked for tells whether there are more.
                hits = await self._catalogue.search(
                    collection,
                    combine(words, pictures, query.text_weight),
                    limit=query.top_k + 1,
                    offset=query.offset,
                    min_score=query.min_score,
                    filters=query.filters,
                    leave_out=query.like,
                )
        await self._turns.take()
        with self._metrics.stage("presign", timings):
            results = [self._shown(hit.item, score=hit.score) for hit in hits[: query.top_k]]
        return {
            "results": results,
            "has_more": len(hits) > query.top_k,
            "query": text,
            "model": collection.model.model if collection else (await self._encoding.model()).model,
            "total_ms": round((perf_counter() - started) * 1000, 3),
            "timings": {stage: round(ms, 3) for stage, ms in timings.items()},
        }

    def prompt(self, words: str) -> str:
        """The text that is encoded: a bare description is put into the template, one that says "photo" is not."""
        return words if "photo" in words.lower() else self._template.replace("{query}", words)

    async def item(self, id: str) -> dict[str, Any]:
        """One item as `/items/{id}` answers it."""
        item = await self._catalogue.get(id)
        if item is None:
            raise NotFound(f"There is no item {id!r}.")
        return self._shown(item)

    async def facets(self) -> dict[str, Any]:
        """The answer of `/facets`."""
        return (await self._catalogue.facets()).answer()

    async def _encode_photo(self, photo: bytes, timings: dict[str, float]) -> NDArray[np.float32]:
        with self._metrics.stage("decode", timings):
            (pixels,) = await self._encoding.decode([photo])
        if isinstance(pixels, PhotoError):
            raise UnreadablePhoto(pixels.code, pixels.message)
        with self._metrics.stage("encode", timings):
            vectors = await self._encoding.photos([pixels])
        self._metrics.encoded("image", _ENDPOINT, 1)
        vector: NDArray[np.float32] = vectors[0]
        return vector

    async def _vector_of(self, id: str, timings: dict[str, float]) -> NDArray[np.float32]:
        with self._metrics.stage("search", timings):
            item = await self._catalogue.get(id, with_vector=True)
        if item is None or item.vector is None:
            raise NotFound(f"There is no item {id!r} to find more like.")
        return np.asarray(item.vector, np.float32)

    def _shown(self, item: Item, **more: float) -> dict[str, Any]:
        return {"id": item.id, **more, "url": self._catalogue.link(item), "metadata": item.metadata()}


def combine(
    words: NDArray[np.float32] | None, pictures: list[NDArray[np.float32]], text_weight: float
) -> NDArray[np.float32]:
    """One unit vector, float32 (dim,), of the unit vectors that were given.

    The words count `text_weight`, the pictures share the rest equally; what stands alone counts whole. Where the
    parts cancel each other out (opposite vectors) there is no direction left, and the first picture decides.
    """
    if not pictures:
        if words is None:
            raise ValueError("there is nothing to combine")
        return words
    total = np.mean(pictures, axis=0)
    if words is not None:
        total = text_weight * words + (1 - text_weight) * total
    norm = float(np.linalg.norm(total))
    return np.asarray(total / norm if norm > 1e-6 else pictures[0], np.float32)
