"""Whether a collection is whole: every item's photo is there, and every item finds itself."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from catalog.collections import Collection
from catalog.item import Item
from catalog.vectors import Hit
from etl.differences import Differences, compare
from etl.encoder_client import EncoderModel
from etl.errors import RecordError
from etl.job import Job

_SAMPLE = 50
_SAME = 0.999
"""Cosine above which two vectors of one photo are the same: batches and number formats move the last digits."""

_MEND = "`python -m etl retry` mends it"
_TOP = 10  # places that copies of one photo may fill


@dataclass
class Report:
    """What was found; `troubles` holds a line for each thing that is wrong, the first of its kind."""

    differences: Differences
    searched: int = 0
    not_found: list[str] = field(default_factory=list)

    @property
    def missing_photos(self) -> list[str]:
        return [item.id for item in self.differences.missing_photos]

    @property
    def lost_items(self) -> list[str]:
        return [id for ids in self.differences.lost_items.values() for id in ids]

    @property
    def troubles(self) -> list[str]:
        found = self.defects
        if unused := self.differences.unused_objects:
            found.append(f"{len(unused)} objects in the store belong to no item, such as {unused[0]}; {_MEND}")
        return found

    @property
    def defects(self) -> list[str]:
        """The troubles of the collection itself."""
        found = []
        if missing := self.missing_photos:
            found.append(f"{len(missing)} items have no photo in the store, such as {missing[0]}; {_MEND}")
        if lost := self.lost_items:
            found.append(f"{len(lost)} items were loaded and are gone, such as {lost[0]}; {_MEND}")
        if self.not_found:
            found.append(
                f"{len(self.not_found)} of {self.searched} photos do not find their own item, such as "
                f"{self.not_found[0]}"
            )
        return found


def verify(job: Job, collection: Collection, model: EncoderModel, *, sample: int = _SAMPLE) -> Report:
    """Compare a collection with the store, then take some items' photos, encode them again, and search with them."""
    chosen: list[Item] = []
    draw = random.Random(0)  # noqa: S311 - which items to look at
    seen = 0

    def choose(item: Item) -> None:
        # Reservoir sampling: each item is as likely as any other, however many come.
        nonlocal seen
        seen += 1
        if len(chosen) < sample:
            chosen.append(item)
        elif (place := draw.randrange(seen)) < sample:
            chosen[place] = item

    report = Report(compare(job, collection, choose))
    _search_themselves(job, collection, model, chosen, report)
    return report


def _search_themselves(
    job: Job, collection: Collection, model: EncoderModel, items: list[Item], report: Report
) -> None:
    batch = job.settings.etl_batch
    missing = set(report.missing_photos)
    for start in range(0, len(items), batch):
        part = [item for item in items[start : start + batch] if item.id not in missing]
        photos = [job.patience.call("store", job.images.get, item.object) for item in part]
        for item, vector in zip(part, job.encoder.encode(photos, model), strict=True):
            report.searched += 1
            if isinstance(vector, RecordError):
                report.not_found.append(item.id)
                continue
            hits = job.patience.call("milvus", job.vectors.search, collection, np.asarray(vector), limit=_TOP)
            if not any(hit.item.id == item.id and hit.score >= _SAME for hit in hits) and not _crowded(hits):
                report.not_found.append(item.id)


def _crowded(hits: list[Hit]) -> bool:
    """Whether copies of the same photo fill all places."""
    return len(hits) == _TOP and all(hit.score >= _SAME for hit in hits)
