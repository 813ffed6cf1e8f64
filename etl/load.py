"""Loading a source: the whole of it, or what failed the last time."""

from __future__ import annotations

import time
from collections.abc import Collection as Ids
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from catalog.collections import Collection
from catalog.errors import StoreUnavailable
from catalog.facets import count_facets
from catalog.item import Item
from etl.checkpoint import Checkpoint
from etl.dataset import Dataset
from etl.dead_letters import DeadLetters
from etl.encoder_client import EncoderModel
from etl.errors import EtlError, RecordError
from etl.job import Job, described
from etl.opening import located
from etl.pipeline import ETL
from etl.removal import remove_items
from etl.settings import SOURCE_SETTINGS


def run(job: Job, source: str) -> DeadLetters:
    """Load a source; what is unchanged is neither stored nor encoded again. Returns what failed.

    Raises EtlError when the load cannot go on; what was loaded until then stays, and is not loaded again.
    """
    with closing(job.opening().dataset(source)) as dataset:
        dead = DeadLetters(job.state.dead_letters(dataset.name))
        with closing(Checkpoint(job.state.checkpoint(dataset.name))) as checkpoint:
            settings = job.settings.model_dump(include=set(SOURCE_SETTINGS))
            if photos := settings["etl_photos"]:
                settings["etl_photos"] = located(photos)
            if mapping := settings["etl_mapping"]:
                settings["etl_mapping"] = located(str(mapping))
            checkpoint.note("source", {"address": located(source), "settings": described(settings)})
            with job.progress.begin(dataset.name, len(dataset)):
                _Loading(job, dataset, checkpoint, dead).whole(prune=job.settings.etl_prune)
    return dead


def retry(job: Job, name: str, *, lost: Ids[str] = (), unused: Sequence[str] = ()) -> DeadLetters:
    """Load again what failed in the last load of a source; returns what fails still.

    Args:
        job: what to work with.
        name: the source's.
        lost: ids of items that a server lost, or their photos: loaded as if they had never been.
        unused: objects that belong to no item, to be removed.
    """
    if name not in job.state.sources():
        raise EtlError(
            f"nothing is known of a source {name!r} in {job.state.folder}; `python -m etl status` lists them"
        )
    dead = DeadLetters(job.state.dead_letters(name))
    letters = dead.letters()
    wanted = {(letter.id, letter.path) for letter in letters}
    with closing(Checkpoint(job.state.checkpoint(name))) as checkpoint:
        origin = checkpoint.fact("source")
        if origin is None:
            raise EtlError(f"nothing is known of a source {name!r}; load it first")
        changes = type(job.settings).model_validate(job.settings.model_dump() | origin["settings"])
        opening = job.opening({key: getattr(changes, key) for key in SOURCE_SETTINGS} | {"etl_source_name": name})
        with closing(opening.dataset(origin["address"])) as dataset, job.progress.begin(name, len(wanted) + len(lost)):
            _Loading(job, dataset, checkpoint, dead).only(wanted, lost)
        job.patience.call("store", job.images.remove, unused)
    return dead


class _Loading:
    """One load of one source."""

    def __init__(self, job: Job, dataset: Dataset, checkpoint: Checkpoint, dead: DeadLetters) -> None:
        self._job = job
        self._dataset = dataset
        self._checkpoint = checkpoint
        self._dead = dead

    def whole(self, *, prune: bool) -> None:
        job = self._job
        model = job.encoder.model()
        collection, publish = self._begin(model)
        etl = self._etl()
        etl.run(self._dataset, collection, model)
        if prune and etl.unnamed:
            job.progress.say(f"{etl.unnamed} rows cannot be read and may be about any item: nothing is removed")
        elif prune:
            self._prune(collection)
        self._end(collection, publish=publish)

    def only(self, wanted: set[tuple[str, str]], lost: Ids[str]) -> None:
        model = self._job.encoder.model()
        collection, publish = self._begin(model, retry=True)
        self._etl().run(self._dataset, collection, model, only=wanted, renew=lost, try_again=True)
        for id in self._checkpoint.unseen(list(lost)):
            self._dead.add(id, "", RecordError("missing_file", f"{id} was lost, and is not in the source any more"))
            self._job.progress.count("failed")
        self._end(collection, publish=publish)

    def _begin(self, model: EncoderModel, *, retry: bool = False) -> tuple[Collection, bool]:
        job, checkpoint = self._job, self._checkpoint
        job.patience.call("store", job.images.ensure_bucket)
        collection, publish = job.collection_for(model)
        job.leftovers.clear(collection, job.vectors, job.images, job.patience)
        if left := checkpoint.begin(collection.name):
            job.progress.say(
                f"the load before ended with {left} photos in flight: only these can be encoded a second time"
            )
        there = job.patience.call("milvus", job.vectors.count, collection, source=self._dataset.name)
        # A retry knows what it looks for.
        if not retry and (job.settings.etl_full or there < checkpoint.loaded()):
            if not job.settings.etl_full:
                job.progress.say("the collection holds fewer items than were loaded: comparing all of them")
            checkpoint.forget()
        checkpoint.note("began", _now())
        checkpoint.note("ended", None)
        self._dead.begin(retry=retry)
        return collection, publish

    def _etl(self) -> ETL:
        return ETL(self._job.parts, self._checkpoint, self._dead, self._job.stop)

    def _end(self, collection: Collection, *, publish: bool) -> None:
        job, checkpoint = self._job, self._checkpoint
        if publish or checkpoint.fact("facets_due"):
            job.patience.call("milvus", job.vectors.into_segments, collection)
            save_facets(job, collection)
            checkpoint.note("facets_due", False)
        if publish:
            # Only now: nobody searches a collection that is half there.
            job.patience.call("milvus", job.vectors.publish, collection)
        checkpoint.note("ended", _now())
        checkpoint.note("counts", dict(job.progress.counts))
        self._dead.end()
        if job.progress.counts["failed"] <= job.settings.etl_max_failures:
            at = time.time()
            checkpoint.note("succeeded", at)
            job.metrics.succeeded(self._dataset.name, at)

    def _prune(self, collection: Collection) -> None:
        """Remove this source's items that it does not hold any more."""
        job, name = self._job, self._dataset.name
        if not len(self._dataset):
            raise EtlError(f"the source is empty; to remove all of it: python -m etl delete --source {name}")
        gone = [item for page in pages(job, collection, source=name) for item in _unseen(self._checkpoint, page)]
        if gone:
            self._checkpoint.note("facets_due", True)
            remove_items(
                gone, collection, vectors=job.vectors, images=job.images, leftovers=job.leftovers, patience=job.patience
            )
            self._checkpoint.drop([item.id for item in gone])
            job.progress.count("removed", len(gone))


def pages(job: Job, collection: Collection, **which: Any) -> Iterator[list[Item]]:
    """All items of a collection, page by page, in the order of their ids, also over an outage."""
    last: str | None = None
    while True:
        try:
            for page in job.vectors.iterate(collection, start_after=last, **which):
                yield page
                last = max(item.id for item in page)
            return
        except StoreUnavailable as error:
            job.patience.away("milvus", str(error))


def save_facets(job: Job, collection: Collection) -> None:
    """Count the facets of all items, and keep them beside the collection."""
    facets = count_facets(item for page in pages(job, collection) for item in page)
    job.patience.call("milvus", job.vectors.save_facets, collection, facets)


def _unseen(checkpoint: Checkpoint, page: list[Item]) -> list[Item]:
    ids: set[str] = set()
    for start in range(0, len(page), 500):
        ids |= set(checkpoint.unseen([item.id for item in page[start : start + 500]]))
    return [item for item in page if item.id in ids]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
