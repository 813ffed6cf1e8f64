"""Whether a collection is whole: every item's photo is there, and every item finds itself."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from catalog.item import Item
from catalog.vectors import Collection, Hit
from etl.encoder_client import EncoderModel
from etl.errors import RecordError
from etl.job import Job
from etl.load import pages

_SAMPLE = 50
_SAME = 0.999
"""Cosine above which two vectors of one photo are the same: batches and number formats move the last digits."""

_TOP = 10  # places that copies of one photo may fill


@dataclass
class Report:
    """What was found; `troubles` holds a line for each thing that is wrong, the first of its kind."""

    items: int = 0
    missing_photos: list[str] = field(default_factory=list)
    unused_objects: int = 0
    searched: int = 0
    not_found: list[str] = field(default_factory=list)

    @property
    def troubles(self) -> list[str]:
        found = []
        if self.missing_photos:
            found.append(
                f"{len(self.missing_photos)} items have no photo in the store, such as {self.missing_photos[0]}"
            )
        if self.not_found:
            found.append(
                f"{len(self.not_found)} of {self.searched} photos do not find their own item, such as "
                f"{self.not_found[0]}"
            )
        return found


def verify(job: Job, collection: Collection, model: EncoderModel, *, sample: int = _SAMPLE) -> Report:
    """Compare a collection with the store, then take some items' photos, encode them again, and search with them."""
    report = Report()
    names = set(job.patience.call("store", lambda: list(job.images.names())))
    used = 0
    chosen: list[Item] = []
    draw = random.Random(0)  # noqa: S311 - which items to look at
    for page in pages(job, collection):
        for item in page:
            report.items += 1
            if item.object in names:
                used += 1
            else:
                report.missing_photos.append(item.id)
            # Reservoir sampling: each item is as likely as any other, however many come.
            if len(chosen) < sample:
                chosen.append(item)
            elif (place := draw.randrange(report.items)) < sample:
                chosen[place] = item
    report.unused_objects = len(names) - used
    _search_themselves(job, collection, model, chosen, report)
    return report


def _search_themselves(
    job: Job, collection: Collection, model: EncoderModel, items: list[Item], report: Report
) -> None:
    batch = job.settings.etl_batch
    for start in range(0, len(items), batch):
        part = [item for item in items[start : start + batch] if item.id not in report.missing_photos]
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
