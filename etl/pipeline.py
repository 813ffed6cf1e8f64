"""The load: records flow through stages, each with its own threads, over channels that are bounded.

    list -> read -> encode -> store -> insert

While photos are read others are encoded, stored and inserted. A photo is inserted only when it is encoded and
stored, and settled in the checkpoint only when it is inserted: a load that was killed at any moment is run again.
"""

from __future__ import annotations

import threading
from collections.abc import Collection as Ids
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from catalog.collections import Collection
from catalog.errors import StoreRefused
from catalog.images import ImageStore
from catalog.item import Item
from catalog.vectors import VectorDatabase
from etl.changes import Changes, Listed, NewPhoto, Ready
from etl.checkpoint import Checkpoint, Known
from etl.dataset import Record, Records
from etl.dead_letters import DeadLetters
from etl.encoder_client import EncoderClient, EncoderModel
from etl.errors import RecordError
from etl.flow import Budget, Channel, Flow
from etl.items import fields_digest, item_of, object_of, photo_type
from etl.metrics import LoadMetrics
from etl.outcomes import Outcomes
from etl.progress import LoadProgress
from etl.removal import Leftovers
from etl.waiting import Patience

_LISTED = 128  # records looked up together
_INSERTED = 64  # items written together
_IDLE = 0.2  # seconds without anything coming, after which a batch goes as it is


@dataclass(frozen=True)
class Limits:
    """How much is under way at once; together this bounds the memory, and what a kill leaves half done."""

    batch_bytes: int
    in_flight: int
    readers: int


@dataclass(frozen=True)
class Parts:
    """What every load works with."""

    vectors: VectorDatabase
    images: ImageStore
    encoder: EncoderClient
    patience: Patience
    progress: LoadProgress
    metrics: LoadMetrics
    leftovers: Leftovers
    limits: Limits


class ETL:
    """Loads records into a collection."""

    def __init__(self, parts: Parts, checkpoint: Checkpoint, dead: DeadLetters, stop: threading.Event) -> None:
        """Args:
        parts: what to work with.
        checkpoint: of the records' source and the collection.
        dead: takes what fails.
        stop: ends the load from outside.
        """
        self._vectors = parts.vectors
        self._images = parts.images
        self._encoder = parts.encoder
        self._limits = limits = parts.limits
        self._patience = parts.patience
        self._metrics = parts.metrics
        self._leftovers = parts.leftovers
        self._checkpoint = checkpoint
        self._outcomes = Outcomes(dead, parts.progress)
        self.unnamed = 0
        """Rows so broken that nobody can tell which items they are about."""
        self._flow = flow = Flow(stop)
        # Photos that are read and not stored yet: those being encoded, and two batches more.
        self._budget = Budget(limits.batch_bytes * (limits.in_flight + 2), flow.stop)
        self._to_read: Channel[Listed] = Channel(flow, _LISTED)
        self._to_encode: Channel[NewPhoto] = Channel(flow, 128)
        self._to_store: Channel[NewPhoto] = Channel(flow, 32)
        self._to_insert: Channel[Ready] = Channel(flow, _INSERTED)

    def run(
        self,
        records: Records,
        collection: Collection,
        model: EncoderModel,
        *,
        only: Ids[tuple[str, str]] | None = None,
        renew: Ids[str] = (),
        try_again: bool = False,
    ) -> None:
        """Load the records.

        Args:
            records: what to load.
            collection: where to; its model is `model`.
            model: the encoder's.
            only: (id, path) of the records to load; None: all.
            renew: ids to load as if they had never been, beside those.
            try_again: also send photos that were refused before.

        Raises:
            EtlError: when the load cannot go on; what was loaded until then stays.
        """
        flow, limits = self._flow, self._limits
        renewed = frozenset(renew)
        changes = Changes(
            self._vectors,
            collection,
            self._checkpoint,
            self._patience,
            self._outcomes,
            renew=renewed,
            try_again=try_again,
        )
        wanted = (r for r in records if only is None or (r.id, r.path) in only or r.id in renewed)
        flow.start("list", lambda: self._list(wanted, changes), then=self._to_read.close)
        flow.start("read", lambda: self._read(changes), threads=limits.readers, then=self._to_encode.close)
        flow.start("encode", lambda: self._encode(model), threads=limits.in_flight, then=self._to_store.close)
        flow.start("store", self._store, threads=limits.readers, then=self._to_insert.close)
        flow.start("insert", lambda: self._insert(collection), then=lambda: None)
        flow.join()
        self.unnamed = changes.unnamed

    # --- list: which records may be new or changed

    def _list(self, records: Iterator[Record], changes: Changes) -> None:
        while chunk := list(islice(records, _LISTED)):
            with self._metrics.stage("list"):
                listed = changes.listed(chunk)
            for one in listed:
                self._to_read.put(one)
        changes.all_listed()

    # --- read: which photos are

    def _read(self, changes: Changes) -> None:
        for listed in self._to_read:
            with self._metrics.stage("read"):
                found = changes.read(listed)
            if isinstance(found, NewPhoto):
                self._budget.take(len(found.content))
                self._to_encode.put(found)
            elif found is not None:
                self._to_insert.put(found)

    # --- encode

    def _encode(self, model: EncoderModel) -> None:
        for batch in self._to_encode.batches(self._fits, idle=_IDLE):
            with self._metrics.stage("encode"):
                self._checkpoint.sent(photo.listed.record.id for photo in batch)
                vectors = self._encoder.encode([photo.content for photo in batch], model)
            for photo, vector in zip(batch, vectors, strict=True):
                if isinstance(vector, RecordError):
                    self._refuse(photo, vector)
                else:
                    self._to_store.put(replace(photo, vector=vector))

    def _fits(self, batch: list[NewPhoto], photo: NewPhoto) -> bool:
        if not batch:
            return True
        size = sum(len(one.content) for one in batch) + len(photo.content)
        return len(batch) < self._encoder.batch.now and size <= self._limits.batch_bytes

    def _refuse(self, photo: NewPhoto, error: RecordError) -> None:
        record = photo.listed.record
        self._budget.give_back(len(photo.content))
        if error.lasting:
            digest = fields_digest(record)
            self._checkpoint.settle([Known(record.id, photo.mark, photo.hash, digest, error.code, error.message)])
        else:
            self._checkpoint.came_back([record.id])
        self._outcomes.fail(record, error)

    # --- store: encoded first, so that no photo is stored that nobody can find

    def _store(self) -> None:
        for photo in self._to_store:
            record = photo.listed.record
            name = record.object or object_of(record, photo.content)
            with self._metrics.stage("store"):
                if record.object is None:
                    self._patience.call("store", self._images.put, name, photo.content, photo_type(photo.content)[1])
            self._budget.give_back(len(photo.content))
            item = item_of(record, object=name, content_hash=photo.hash, vector=photo.vector)
            settled = Known(record.id, photo.mark, photo.hash, fields_digest(record))
            self._to_insert.put(Ready(record, item, settled, photo.listed.before, len(photo.content)))

    # --- insert

    def _insert(self, collection: Collection) -> None:
        is_first = True
        for batch in self._to_insert.batches(lambda batch, _: len(batch) < _INSERTED, idle=_IDLE):
            with self._metrics.stage("insert"):
                if is_first:
                    self._checkpoint.note("facets_due", True)
                    is_first = False
                self._insert_batch(collection, batch)

    def _insert_batch(self, collection: Collection, batch: Sequence[Ready]) -> None:
        keep = [ready.item.id for ready in batch if ready.item.vector is None]
        there = self._patience.call("milvus", self._vectors.get, collection, keep, with_vector=True)
        vectors = {item.id: item.vector for item in there}
        items = {
            ready.item.id: ready.item
            if ready.item.vector is not None
            else replace(ready.item, vector=vectors.get(ready.item.id))
            for ready in batch
        }
        replaced = [ready.before for ready in batch if ready.before and ready.before.object != ready.item.object]
        self._leftovers.plan(replaced)
        refused = self._upsert(collection, list(items.values()))
        done = [ready for ready in batch if ready.item.id not in refused]
        self._checkpoint.settle([ready.settled for ready in done])
        for ready in batch:
            if ready.item.id in refused:
                self._checkpoint.drop([ready.item.id])
                self._outcomes.fail(ready.record, refused[ready.item.id])
            else:
                encoded = ready.item.vector is not None
                self._outcomes.count("encoded" if encoded else "updated", size=ready.size)
        if replaced:
            self._leftovers.clear(collection, self._vectors, self._images, self._patience)

    def _upsert(self, collection: Collection, items: list[Item]) -> dict[str, RecordError]:
        """Write the items; returns those that Milvus will not have, each tried alone, and why."""
        try:
            self._patience.call("milvus", self._vectors.upsert, collection, items)
            return {}
        except (StoreRefused, ValueError) as error:
            if len(items) == 1:
                return {items[0].id: RecordError("refused", str(error))}
            refused: dict[str, RecordError] = {}
            for item in items:
                refused |= self._upsert(collection, [item])
            if len(refused) == len(items) and isinstance(error, StoreRefused):
                raise  # no item's fault
            return refused
