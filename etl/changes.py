"""Which records are new or changed, and what is to be done with each.

What is unchanged is found by its mark where its source has one, else by its content. What needs nothing more, and
what fails, goes to the outcomes here; the rest is returned.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog.collections import Collection
from catalog.item import Item
from catalog.vectors import VectorDatabase
from etl.checkpoint import Checkpoint, Known
from etl.dataset import Record
from etl.errors import RecordError
from etl.items import fields_digest, item_of, problem_of
from etl.outcomes import Outcomes
from etl.waiting import Patience


@dataclass(frozen=True)
class Listed:
    """A record that may be new or changed, with what is known of its photo and the item that it was."""

    record: Record
    known: Known | None
    before: Item | None


@dataclass(frozen=True)
class NewPhoto:
    """A photo to be encoded and stored; its vector comes with the encoding."""

    listed: Listed
    content: bytes
    hash: str
    mark: str | None
    vector: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Ready:
    """An item to insert; without a vector it keeps the one that it has."""

    record: Record
    item: Item
    settled: Known
    before: Item | None
    size: int


class Changes:
    """Compares one load's records with the checkpoint and the collection.

    Records are listed by one thread; `read` is thread-safe.
    """

    def __init__(
        self,
        vectors: VectorDatabase,
        collection: Collection,
        checkpoint: Checkpoint,
        patience: Patience,
        outcomes: Outcomes,
        *,
        renew: frozenset[str],
        try_again: bool,
    ) -> None:
        """Args:
        vectors: Milvus.
        collection: what it is compared with, where the items will go.
        checkpoint: what is known of the records' photos.
        patience: waits while Milvus or the source is away.
        outcomes: takes what fails and what is unchanged.
        renew: ids of records that are taken as if they had never been loaded.
        try_again: photos that were refused before are read and encoded again.
        """
        self._vectors = vectors
        self._collection = collection
        self._checkpoint = checkpoint
        self._patience = patience
        self._outcomes = outcomes
        self._renew = renew
        self._try_again = try_again
        self._broken: list[str] = []
        self.unnamed = 0
        """Rows so broken that nobody can tell which items they are about."""

    def listed(self, records: Sequence[Record]) -> list[Listed]:
        """Those of the records that may be new or changed, as far as can be told without their photos.

        Raises EtlError when Milvus stays away.
        """
        possible = list(self._possible(records))
        known = self._checkpoint.known([record.id for record in possible if record.id not in self._renew])
        open_: list[Record] = []
        unchanged = 0
        for record in possible:
            then = known.get(record.id)
            if then is None or not self._is_settled(record, then):
                open_.append(record)
            elif then.error is not None:
                self._outcomes.fail(record, then.error)
            else:
                unchanged += 1
        if unchanged:
            # Together: in a load that passes over all photos, a sixth of the time would go into counting them.
            self._outcomes.count("unchanged", records=unchanged)
        ids = [record.id for record in open_]
        there = {item.id: item for item in self._patience.call("milvus", self._vectors.get, self._collection, ids)}
        found = []
        for record in open_:
            before = there.get(record.id)
            if before is not None and before.source != record.source:
                self._outcomes.fail(
                    record,
                    RecordError(
                        "id_taken",
                        f"the id {record.id!r} belongs to the source {before.source!r}; "
                        "--id-prefix gives this source ids of its own",
                    ),
                )
            else:
                found.append(Listed(record, known.get(record.id), None if record.id in self._renew else before))
        return found

    def all_listed(self) -> None:
        """No more records come. The rows that failed are there, however broken: their items are still in the source."""
        self._checkpoint.see(self._broken)

    def read(self, listed: Listed) -> NewPhoto | Ready | None:
        """Read a record's photo: a new one, an item of which only the fields changed, or nothing more to do.

        Raises EtlError when the source stays away.
        """
        record, known, before = listed.record, listed.known, listed.before
        same_hash = before is not None and known is not None and known.hash == before.content_hash
        try:
            photo = self._patience.call("source", record.read, known.mark if same_hash and known else None)
        except RecordError as error:
            self._outcomes.fail(record, error)
            return None
        content = photo.content if photo else b""
        mark = photo.mark if photo else record.mark
        if photo is None and known is not None:
            hash, mark = known.hash, known.mark
        else:
            hash = hashlib.sha256(content).hexdigest()
        if before is not None and before.content_hash == hash:
            settled = Known(record.id, mark, hash, fields_digest(record))
            item = item_of(record, object=before.object, content_hash=hash, vector=None)
            if item.metadata() != before.metadata():
                return Ready(record, item, settled, before, len(content))
            self._checkpoint.settle([settled])
            self._outcomes.count("unchanged", size=len(content))
            return None
        if known is not None and known.error is not None and known.hash == hash and not self._try_again:
            self._outcomes.fail(record, known.error)
            return None
        return NewPhoto(listed, content, hash, mark)

    def _possible(self, records: Sequence[Record]) -> Iterator[Record]:
        """Those of the records that can become items, each id once."""
        sound = []
        for record in records:
            if problem := problem_of(record):
                self._outcomes.fail(record, problem)
                if record.id:
                    self._broken.append(record.id)
                else:
                    self.unnamed += 1
            else:
                sound.append(record)
        for record, seen in zip(sound, self._checkpoint.see([record.id for record in sound]), strict=True):
            if seen:
                self._outcomes.fail(
                    record, RecordError("duplicate_id", f"the id {record.id!r} came before in this source")
                )
            else:
                yield record

    def _is_settled(self, record: Record, known: Known) -> bool:
        """Whether the marks tell that what became of this record the last time is true of it still."""
        if record.mark is None or record.mark != known.mark:
            return False
        if known.error is not None:
            return not self._try_again  # the photo was to blame, whatever the fields are now
        return known.fields == fields_digest(record)
