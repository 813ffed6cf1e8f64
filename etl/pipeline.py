"""The load: records flow through stages, each with its own threads, over channels that are bounded.

    list -> read -> encode -> store -> insert

While photos are read others are encoded, stored and inserted. A photo is inserted only when it is encoded and
stored, and settled in the checkpoint only when it is inserted: a load that was killed at any moment is run again.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection as Ids
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from catalog.errors import StoreRefused
from catalog.images import ImageStore
from catalog.item import Item
from catalog.vectors import Collection, VectorDatabase
from etl.checkpoint import Checkpoint, Known
from etl.dataset import Record, Records
from etl.dead_letters import DeadLetters
from etl.encoder_client import EncoderClient, EncoderModel
from etl.errors import RecordError
from etl.flow import Budget, Channel, Flow
from etl.items import fields_digest, item_of, object_of, photo_type, problem_of
from etl.metrics import LoadMetrics
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
class _Listed:
    """A record, with what is known of its photo and the item that it was."""

    record: Record
    known: Known | None
    before: Item | None


@dataclass(frozen=True)
class _Read:
    """A photo on its way to the encoder."""

    listed: _Listed
    content: bytes
    hash: str
    mark: str | None
    vector: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class _Ready:
    """An item to insert; without a vector it keeps the one that it has."""

    record: Record
    item: Item
    settled: Known
    before: Item | None
    size: int


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
        self._progress = parts.progress
        self._metrics = parts.metrics
        self._leftovers = parts.leftovers
        self._checkpoint = checkpoint
        self._dead = dead
        self.unnamed = 0
        """Rows so broken that nobody can tell which items they are about."""
        self._broken: list[str] = []
        self._renew: frozenset[str] = frozenset()
        self._flow = flow = Flow(stop)
        # Photos that are read and not stored yet: those being encoded, and two batches more.
        self._budget = Budget(limits.batch_bytes * (limits.in_flight + 2), flow.stop)
        self._to_read: Channel[_Listed] = Channel(flow, _LISTED)
        self._to_encode: Channel[_Read] = Channel(flow, 128)
        self._to_store: Channel[_Read] = Channel(flow, 32)
        self._to_insert: Channel[_Ready] = Channel(flow, _INSERTED)

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
        self._renew = frozenset(renew)
        flow.start("list", lambda: self._list(records, collection, only, try_again), then=self._to_read.close)
        flow.start("read", lambda: self._read(try_again), threads=limits.readers, then=self._to_encode.close)
        flow.start("encode", lambda: self._encode(model), threads=limits.in_flight, then=self._to_store.close)
        flow.start("store", self._store, threads=limits.readers, then=self._to_insert.close)
        flow.start("insert", lambda: self._insert(collection), then=lambda: None)
        flow.join()

    # --- list: which records are new or changed

    def _list(
        self, records: Records, collection: Collection, only: Ids[tuple[str, str]] | None, try_again: bool
    ) -> None:
        wanted = (
            record for record in records if only is None or (record.id, record.path) in only or record.id in self._renew
        )
        while chunk := list(islice(wanted, _LISTED)):
            with self._metrics.stage("list"):
                listed = list(self._changed(chunk, collection, try_again))
            for one in listed:
                self._to_read.put(one)
        # Their rows are there, however broken: their items have not left the source.
        self._checkpoint.see(self._broken)

    def _changed(self, records: Sequence[Record], collection: Collection, try_again: bool) -> Iterator[_Listed]:
        records = list(self._possible(records))
        known = self._checkpoint.known([record.id for record in records if record.id not in self._renew])
        open_: list[Record] = []
        for record in records:
            then = known.get(record.id)
            if then is None or record.mark is None or then.mark != record.mark:
                open_.append(record)
            elif then.error is not None:
                if try_again:
                    open_.append(record)
                else:
                    self._fail(record, then.error)
            elif then.fields == fields_digest(record):
                self._progress.count("unchanged")
            else:
                open_.append(record)
        ids = [record.id for record in open_]
        there = {item.id: item for item in self._patience.call("milvus", self._vectors.get, collection, ids)}
        for record in open_:
            before = there.get(record.id)
            if before is not None and before.source != record.source:
                self._fail(
                    record,
                    RecordError(
                        "id_taken",
                        f"the id {record.id!r} belongs to the source {before.source!r}; "
                        "--id-prefix gives this source ids of its own",
                    ),
                )
            else:
                yield _Listed(record, known.get(record.id), None if record.id in self._renew else before)

    def _possible(self, records: Sequence[Record]) -> Iterator[Record]:
        sound = []
        for record in records:
            if problem := problem_of(record):
                self._fail(record, problem)
                if record.id:
                    self._broken.append(record.id)
                else:
                    self.unnamed += 1
            else:
                sound.append(record)
        for record, seen in zip(sound, self._checkpoint.see([record.id for record in sound]), strict=True):
            if seen:
                self._fail(record, RecordError("duplicate_id", f"the id {record.id!r} came before in this source"))
            else:
                yield record

    # --- read: which photos are

    def _read(self, try_again: bool) -> None:
        for listed in self._to_read:
            with self._metrics.stage("read"):
                read = self._read_one(listed, try_again)
            if read is not None:
                self._budget.take(len(read.content))
                self._to_encode.put(read)

    def _read_one(self, listed: _Listed, try_again: bool) -> _Read | None:
        record, known, before = listed.record, listed.known, listed.before
        same_hash = before is not None and known is not None and known.hash == before.content_hash
        try:
            photo = self._patience.call("source", record.read, known.mark if same_hash and known else None)
        except RecordError as error:
            self._fail(record, error)
            return None
        content = photo.content if photo else b""
        mark = photo.mark if photo else record.mark
        if photo is None and known is not None:
            hash, mark = known.hash, known.mark
        else:
            hash = hashlib.sha256(content).hexdigest()
        settled = Known(record.id, mark, hash, fields_digest(record))
        if before is not None and before.content_hash == hash:
            item = item_of(record, object=before.object, content_hash=hash, vector=None)
            if item.metadata() == before.metadata():
                self._checkpoint.settle([settled])
                self._progress.count("unchanged", size=len(content))
            else:
                self._to_insert.put(_Ready(record, item, settled, before, len(content)))
            return None
        if known is not None and known.error is not None and known.hash == hash and not try_again:
            self._fail(record, known.error)
            return None
        return _Read(listed, content, hash, mark)

    # --- encode

    def _encode(self, model: EncoderModel) -> None:
        for batch in self._to_encode.batches(self._fits, idle=_IDLE):
            with self._metrics.stage("encode"):
                self._checkpoint.sent(read.listed.record.id for read in batch)
                vectors = self._encoder.encode([read.content for read in batch], model)
            for read, vector in zip(batch, vectors, strict=True):
                if isinstance(vector, RecordError):
                    self._refuse(read, vector)
                else:
                    self._to_store.put(replace(read, vector=vector))

    def _fits(self, batch: list[_Read], read: _Read) -> bool:
        if not batch:
            return True
        size = sum(len(one.content) for one in batch) + len(read.content)
        return len(batch) < self._encoder.batch.now and size <= self._limits.batch_bytes

    def _refuse(self, read: _Read, error: RecordError) -> None:
        record = read.listed.record
        self._budget.give_back(len(read.content))
        if error.lasting:
            digest = fields_digest(record)
            self._checkpoint.settle([Known(record.id, read.mark, read.hash, digest, error.code, error.message)])
        self._fail(record, error)

    # --- store: encoded first, so that no photo is stored that nobody can find

    def _store(self) -> None:
        for read in self._to_store:
            record = read.listed.record
            name = record.object or object_of(record, read.content)
            with self._metrics.stage("store"):
                if record.object is None:
                    self._patience.call("store", self._images.put, name, read.content, photo_type(read.content)[1])
            self._budget.give_back(len(read.content))
            item = item_of(record, object=name, content_hash=read.hash, vector=read.vector)
            settled = Known(record.id, read.mark, read.hash, fields_digest(record))
            self._to_insert.put(_Ready(record, item, settled, read.listed.before, len(read.content)))

    # --- insert

    def _insert(self, collection: Collection) -> None:
        is_first = True
        for batch in self._to_insert.batches(lambda batch, _: len(batch) < _INSERTED, idle=_IDLE):
            with self._metrics.stage("insert"):
                if is_first:
                    self._checkpoint.note("facets_due", True)
                    is_first = False
                self._insert_batch(collection, batch)

    def _insert_batch(self, collection: Collection, batch: Sequence[_Ready]) -> None:
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
                self._fail(ready.record, refused[ready.item.id])
            else:
                encoded = ready.item.vector is not None
                self._progress.count("encoded" if encoded else "updated", size=ready.size)
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
            if len(refused) == len(items):
                raise  # no item's fault
            return refused

    # --- failures

    def _fail(self, record: Record, error: RecordError) -> None:
        self._dead.add(record.id, record.path, error)
        self._progress.count("failed")
