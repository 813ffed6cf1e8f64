"""Removing items by id, by filter, or by source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from catalog.collections import Collection
from catalog.facets import Facets
from catalog.item import TEXT_FIELDS, Item
from etl.checkpoint import Checkpoint
from etl.job import Job
from etl.load import pages, save_facets
from etl.removal import remove_items


class Deletion:
    """Items that were chosen to be removed, and their removal."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.collection: Collection = job.searched()
        job.leftovers.clear(self.collection, job.vectors, job.images, job.patience)

    def by_id(self, ids: Sequence[str]) -> list[Item]:
        """The items with these ids; those that are not there are passed over."""
        return self._job.patience.call("milvus", self._job.vectors.get, self.collection, ids)

    def by_source(self, source: str) -> list[Item]:
        return [item for page in pages(self._job, self.collection, source=source) for item in page]

    def by_filter(self, filters: Mapping[str, Any]) -> list[Item]:
        """The items that the filters of a search let through; raises UnknownFilter and InvalidFilter as it does."""
        facets: Facets = self._job.patience.call("milvus", self._job.vectors.facets, self.collection)
        fields = sorted({*facets.fields, *TEXT_FIELDS})
        return [item for page in pages(self._job, self.collection, filters=filters, fields=fields) for item in page]

    def remove(self, items: Sequence[Item]) -> None:
        """Remove the items and their photos, and count the facets again."""
        job = self._job
        remove_items(
            items,
            self.collection,
            vectors=job.vectors,
            images=job.images,
            leftovers=job.leftovers,
            patience=job.patience,
        )
        for source in {item.source for item in items if item.source} & set(job.state.sources()):
            with closing(Checkpoint(job.state.checkpoint(source))) as checkpoint:
                checkpoint.drop([item.id for item in items if item.source == source])
        save_facets(job, self.collection)
        job.progress.count("removed", len(items))
