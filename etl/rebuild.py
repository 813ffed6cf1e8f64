"""A new collection from the old one's items and their stored photos, beside the search that goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from catalog.collections import Collection, CollectionModel
from catalog.item import Item
from etl.checkpoint import Checkpoint
from etl.dataset import Record
from etl.dead_letters import DeadLetters
from etl.errors import EtlError, RecordError
from etl.job import Job
from etl.load import pages, save_facets
from etl.pipeline import ETL
from etl.sources.tree import Photo
from etl.verify import verify


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild made, and what it left."""

    old: Collection
    new: Collection
    items: int


class CollectionRecords:
    """The items of a collection as records; their photos are read from the store, and stay where they are."""

    def __init__(self, job: Job, collection: Collection) -> None:
        self.name = "rebuild"
        self._job = job
        self._collection = collection
        self._count = job.patience.call("milvus", job.vectors.count, collection)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Record]:
        for page in pages(self._job, self._collection):
            yield from map(self._record, page)

    def _record(self, item: Item) -> Record:
        fields = {name: value for name, value in item.metadata().items() if name != "source"}
        return Record(
            item.id,
            item.object,
            item.source or "",
            fields,
            mark=item.content_hash or None,
            read=self._reader(item),
            object=item.object,
        )

    def _reader(self, item: Item) -> Callable[[str | None], Photo | None]:
        def read(known: str | None) -> Photo | None:
            if known is not None and known == item.content_hash:
                return None
            try:
                return Photo(self._job.images.get(item.object), item.content_hash or None)
            except KeyError:
                raise RecordError("missing_file", f"{item.object} is not in the store") from None

        return read


def rebuild(job: Job) -> Rebuilt:
    """Encode all photos anew into a new collection, verify it, and search it from then on.

    A rebuild that was interrupted is taken up where it ended. The old collection stays.

    Raises EtlError when the new collection is not whole; then the old one is searched as before.
    """
    old = job.searched()
    model = job.encoder.model()
    new = job.unpublished(CollectionModel(model.model, model.dim), after=old)
    dead = DeadLetters(job.state.rebuild_dead_letters)
    dead.begin()
    with closing(Checkpoint(job.state.rebuild_checkpoint)) as checkpoint:
        checkpoint.begin(new.name)
        if job.patience.call("milvus", job.vectors.count, new) < checkpoint.loaded():
            checkpoint.forget()
        records = CollectionRecords(job, old)
        with job.progress.begin("rebuild", len(records)):
            ETL(job.parts, checkpoint, dead, job.stop).run(records, new, model)
    failed = job.progress.counts["failed"]
    if failed > job.settings.etl_max_failures:
        raise EtlError(
            f"{failed} photos could not be encoded (see {dead.file}), more than --max-failures; "
            f"{old.name} is searched as before"
        )
    count = job.patience.call("milvus", job.vectors.count, new)
    if count != len(records) - failed:
        raise EtlError(f"{new.name} has {count} items instead of {len(records) - failed}; run the rebuild again")
    job.patience.call("milvus", job.vectors.into_segments, new)
    if defects := verify(job, new, model).defects:
        raise EtlError(f"{new.name} is not whole: {defects[0]}; {old.name} is searched as before")
    save_facets(job, new)
    job.patience.call("milvus", job.vectors.publish, new)
    _take_along(job, old, new)
    return Rebuilt(old, new, count)


def _take_along(job: Job, old: Collection, new: Collection) -> None:
    """What was known of the old collection's items is true of the new one's: the next load passes them over too.

    Items that could not be encoded are not there; a load that misses some compares all.
    """
    for source in job.state.sources():
        with closing(Checkpoint(job.state.checkpoint(source))) as checkpoint:
            if checkpoint.fact("collection") == old.name:
                checkpoint.note("collection", new.name)


def switch(job: Job, name: str) -> Collection:
    """Search the collection of that name from now on; EtlError where there is none."""
    collection = job.patience.call("milvus", job.vectors.collection, name)
    if collection is None or name not in job.patience.call("milvus", job.vectors.collections):
        raise EtlError(f"there is no collection {name}; `python -m etl status` lists them")
    job.patience.call("milvus", job.vectors.publish, collection)
    return collection


def drop_unused(job: Job) -> list[str]:
    """Remove all collections that are not searched; returns their names."""
    searched = job.searched().name
    names = [name for name in job.patience.call("milvus", job.vectors.collections) if name != searched]
    for name in names:
        job.patience.call("milvus", job.vectors.drop, name)
    return names
