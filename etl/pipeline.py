"""The load: batches of photos, several under way at once, each read, stored, encoded and inserted in turn.

While one batch is read another is encoded and a third inserted, so the stages overlap; the number of batches under
way bounds the memory. A photo is inserted only when it is stored and encoded, and the collection itself remembers
each photo's hash: a load that was killed at any moment is simply run again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import PurePosixPath
from typing import ParamSpec, TypeVar

import numpy as np

from catalog.errors import CatalogError, StoreUnavailable
from catalog.facets import count_facets
from catalog.images import ImageStore, object_name
from catalog.item import TEXT_FIELDS, Item, Scalar
from catalog.vectors import Collection, CollectionModel, VectorDatabase
from etl.dataset import Dataset, Record
from etl.dead_letters import DeadLetters
from etl.encoder_client import EncoderClient, EncoderModel
from etl.errors import EtlError, RecordError
from etl.progress import LoadProgress

T = TypeVar("T")
P = ParamSpec("P")

_CONTENT_TYPES = {
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp", ".gif": "image/gif",
    ".tif": "image/tiff", ".tiff": "image/tiff", ".bmp": "image/bmp",
}  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """How much is under way at once, and how long a store that is away is waited for."""

    batch: int
    batch_bytes: int
    in_flight: int
    wait: float


@dataclass(frozen=True)
class _Photo:
    record: Record
    content: bytes
    hash: str


class ETL:
    """Loads a dataset into the collection that is searched; makes that collection at the first load."""

    def __init__(
        self,
        vectors: VectorDatabase,
        images: ImageStore,
        encoder: EncoderClient,
        limits: Limits,
        progress: LoadProgress,
        dead: DeadLetters,
    ) -> None:
        self._vectors = vectors
        self._images = images
        self._encoder = encoder
        self._limits = limits
        self._progress = progress
        self._dead = dead

    def run(self, dataset: Dataset, *, prune: bool = False) -> None:
        """Load every record; with `prune` also remove this source's items that are no longer in it.

        Raises EtlError when the load cannot go on; what was loaded until then stays.
        """
        model = self._encoder.model()
        self._patiently(self._images.ensure_bucket)
        collection, is_new = self._patiently(self._collection, model)
        seen: set[str] = set()
        with ThreadPoolExecutor(self._limits.in_flight, thread_name_prefix="batch") as pool:
            under_way: set[Future[None]] = set()
            for batch in self._batches(dataset, seen):
                if len(under_way) >= self._limits.in_flight:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                under_way.add(pool.submit(self._load, collection, model, dataset.name, batch))
            for future in under_way:
                future.result()
        if prune:
            self._prune(collection, dataset.name, seen)
        self._patiently(lambda: self._vectors.save_facets(collection, count_facets(self._all_items(collection))))
        if is_new:
            # Published only now: nobody searches a collection that is half there.
            self._patiently(self._vectors.publish, collection)

    def _collection(self, model: EncoderModel) -> tuple[Collection, bool]:
        """The collection to write to, and whether it still has to be published."""
        wanted = CollectionModel(model.model, model.dim)
        current = self._vectors.current()
        if current is not None:
            if current.model != wanted:
                raise EtlError(
                    f"the collection {current.name} was encoded with {current.model.model}, the service runs "
                    f"{model.model}; vectors of two models cannot be mixed"
                )
            return current, False
        # A first load that was cut short is taken up where it ended.
        for name in reversed(self._vectors.collections()):
            started = self._vectors.collection(name)
            if started is not None and started.model == wanted:
                return started, True
        return self._vectors.create(wanted), True

    def _batches(self, dataset: Dataset, seen: set[str]) -> Iterator[list[Record]]:
        records = iter(dataset)
        while batch := list(islice(records, self._limits.batch)):
            fresh = []
            for record in batch:
                if problem := _problem(record, dataset.name, seen):
                    self._fail(record, problem)
                else:
                    fresh.append(record)
                seen.add(record.id)
            if fresh:
                yield fresh

    def _load(self, collection: Collection, model: EncoderModel, source: str, records: Sequence[Record]) -> None:
        ids = [record.id for record in records]
        known = {
            item.id: item for item in self._patiently(lambda: self._vectors.get(collection, ids, with_vector=True))
        }
        changed: list[_Photo] = []
        ready: list[Item] = []
        for photo in self._read(records):
            before = known.get(photo.record.id)
            if before is not None and before.source != source:
                taken = RecordError("id_taken", f"the id {photo.record.id!r} belongs to the source {before.source!r}")
                self._fail(photo.record, taken)
            elif before is not None and before.content_hash == photo.hash:
                now = replace(_item(photo, source, model.dim), vector=before.vector, object=before.object)
                if now.metadata() == before.metadata():
                    self._progress.count("unchanged", size=len(photo.content))
                else:
                    ready.append(now)
                    self._progress.count("updated", size=len(photo.content))
            else:
                changed.append(photo)
        for part in _parts(changed, self._limits.batch_bytes):
            ready += self._store_and_encode(part, source, model)
        if ready:
            self._patiently(self._vectors.upsert, collection, ready)

    def _read(self, records: Sequence[Record]) -> Iterator[_Photo]:
        for record in records:
            try:
                content = record.load()
            except RecordError as error:
                self._fail(record, error)
                continue
            yield _Photo(record, content, hashlib.sha256(content).hexdigest())

    def _store_and_encode(self, photos: Sequence[_Photo], source: str, model: EncoderModel) -> list[Item]:
        """The items of photos that are stored and encoded; encoded first, so that no broken photo is stored."""
        items = []
        for photo, vector in zip(photos, self._encoder.encode([photo.content for photo in photos], model), strict=True):
            if isinstance(vector, RecordError):
                self._fail(photo.record, vector)
                continue
            item = replace(_item(photo, source, model.dim), vector=vector)
            content_type = _CONTENT_TYPES.get(PurePosixPath(item.object).suffix, "application/octet-stream")
            self._patiently(self._images.put, item.object, photo.content, content_type)
            items.append(item)
            self._progress.count("encoded", size=len(photo.content))
        return items

    def _prune(self, collection: Collection, source: str, seen: set[str]) -> None:
        """Remove items that left the source: first from the search, then their photos."""
        gone = [
            item for page in self._vectors.iterate(collection, source=source) for item in page if item.id not in seen
        ]
        for start in range(0, len(gone), 500):
            part = gone[start : start + 500]
            self._patiently(self._vectors.delete, collection, [item.id for item in part])
            self._patiently(self._images.remove, [item.object for item in part])
        self._progress.count("removed", len(gone))

    def _all_items(self, collection: Collection) -> Iterator[Item]:
        for page in self._vectors.iterate(collection):
            yield from page

    def _fail(self, record: Record, error: RecordError) -> None:
        self._dead.add(record, error)
        self._progress.count("failed")

    def _patiently(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a store; while it is away, wait and say so. Everything that is called so can be repeated."""
        since = time.monotonic()
        while True:
            try:
                return call(*args, **kwargs)
            except StoreUnavailable as error:
                if time.monotonic() - since > self._limits.wait:
                    raise EtlError(f"{error}; gave up after {self._limits.wait:.0f} s") from error
                self._progress.say(f"{error}; trying again in 2 s")
                time.sleep(2)
            except CatalogError as error:
                raise EtlError(str(error)) from error


def _problem(record: Record, source: str, seen: set[str]) -> RecordError | None:
    """Why a record cannot become an item, before its photo is looked at."""
    if not record.id:
        return RecordError("missing_id", "the row has neither an id nor a photo's path")
    if record.id in seen:
        return RecordError("duplicate_id", f"the id {record.id!r} came before in this source")
    if problem := _item(_Photo(record, b"", ""), source, 0).problem():
        return RecordError("invalid_item", problem)
    return None


def _item(photo: _Photo, source: str, dim: int) -> Item:
    fields = dict(photo.record.fields)
    fixed: dict[str, Scalar | None] = {name: fields.pop(name, None) for name in TEXT_FIELDS if name != "source"}
    return Item(
        id=photo.record.id,
        object=object_name(source, photo.record.id, _ending(photo.record.path)),
        content_hash=photo.hash,
        source=source,
        extra=fields,
        vector=np.zeros(dim, np.float32),
        **{name: str(value) if value is not None else None for name, value in fixed.items()},
    )


def _ending(path: str) -> str:
    """The photo's ending, of a path or a URL, where it is one of a photo."""
    ending = PurePosixPath(path.partition("?")[0]).suffix.lower()
    return ending if ending in _CONTENT_TYPES else ""


def _parts(photos: Sequence[_Photo], most_bytes: int) -> Iterator[list[_Photo]]:
    """Cut a batch so that no part's photos have more bytes together; a larger photo goes alone."""
    part: list[_Photo] = []
    size = 0
    for photo in photos:
        if part and size + len(photo.content) > most_bytes:
            yield part
            part, size = [], 0
        part.append(photo)
        size += len(photo.content)
    if part:
        yield part
