"""What differs between what was loaded, the collection and the bucket: the traces of servers that lost something."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field

from catalog.collections import Collection
from catalog.images import object_name
from catalog.item import Item
from etl.checkpoint import Checkpoint
from etl.job import Job
from etl.load import pages


@dataclass
class Differences:
    """Ids and names of what does not belong together."""

    items: int = 0
    missing_photos: list[Item] = field(default_factory=list)
    """Items whose photo is not in the bucket."""

    lost_items: dict[str, list[str]] = field(default_factory=dict)
    """By source: ids that were loaded, and that the collection does not hold."""

    unused_objects: list[str] = field(default_factory=list)
    """Objects in the bucket that no item uses, in no collection."""

    def to_load(self, source: str) -> set[str]:
        """Ids of a source that a load has to bring back."""
        return {item.id for item in self.missing_photos if item.source == source} | {*self.lost_items.get(source, ())}

    def to_remove(self, source: str) -> list[str]:
        """A source's objects that nobody needs; a lost item's may be all that is left of it."""
        folder = object_name(source, "any").partition("/")[0] + "/"
        lost = {object_name(source, id).rpartition(".")[0] for id in self.lost_items.get(source, ())}
        own = (name for name in self.unused_objects if name.startswith(folder))
        return [name for name in own if name.rpartition(".")[0] not in lost]


def differences(job: Job) -> Differences:
    """Of the collection that is searched; none where nothing has been loaded yet."""
    collection = job.patience.call("milvus", job.vectors.current)
    return Differences() if collection is None else compare(job, collection)


def compare(job: Job, collection: Collection, look: Callable[[Item], None] = lambda _: None) -> Differences:
    """Compare a collection with the bucket and with what the state folder says was loaded; `look` sees every item."""
    found = Differences()
    names = set(job.patience.call("store", lambda: list(job.images.names())))
    unused = set(names)
    for page in pages(job, collection):
        for item in page:
            found.items += 1
            if item.object not in names:
                found.missing_photos.append(item)
            unused.discard(item.object)
            look(item)
    # A rebuild's old collection is kept with the same objects.
    for name in job.patience.call("milvus", job.vectors.collections):
        other = job.patience.call("milvus", job.vectors.collection, name)
        if unused and other is not None and other != collection:
            for page in pages(job, other):
                unused.difference_update(item.object for item in page)
    found.unused_objects = sorted(unused)
    for source in job.state.sources():
        if lost := _lost(job, collection, source):
            found.lost_items[source] = lost
    return found


def _lost(job: Job, collection: Collection, source: str) -> list[str]:
    """Ids that the source's checkpoint knows as loaded into this collection, and that are not there."""
    lost: list[str] = []
    with closing(Checkpoint(job.state.checkpoint(source))) as checkpoint:
        if checkpoint.fact("collection") == collection.name:
            for ids in checkpoint.loaded_ids():
                there = {item.id for item in job.patience.call("milvus", job.vectors.get, collection, ids)}
                lost += [id for id in ids if id not in there]
    return lost
