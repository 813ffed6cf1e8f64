"""Only downloading: a source's photos and its table as a folder, which can be loaded later."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from pathlib import Path

from etl.dataset import Dataset, Record
from etl.dead_letters import DeadLetters
from etl.errors import EtlError, RecordError
from etl.items import photo_type, problem_of
from etl.job import Job
from etl.opening import name_of
from etl.sources.table import is_table
from etl.sources.web import is_url

_TABLE = "metadata.jsonl"
_MOST_NAME = 200


def download(job: Job, source: str, target: Path | None) -> tuple[Path, DeadLetters | None]:
    """Fetch a source without loading it.

    An archive of the web is fetched, checked and kept as it is. Of anything else a folder is made, photos and table,
    that gives the same ids when it is loaded. What is there already is not fetched again.

    Returns:
        Where it lies, and what could not be had.
    """
    name = job.settings.etl_source_name or name_of(source)
    if is_url(source) and not is_table(source.partition("?")[0]):
        with job.progress.begin(name, 1), closing(job.opening().dataset(source)):
            pass  # opening an archive checks all that can be wrong with it
        return job.opening().fetched(source, name), None
    if target is None:
        raise EtlError("--to FOLDER is needed: where the photos shall lie")
    dead = DeadLetters(job.state.not_downloaded(name))
    dead.begin()
    with closing(job.opening().dataset(source)) as dataset, job.progress.begin(name, len(dataset)):
        _copy(job, dataset, target, dead)
    return target, dead


def _copy(job: Job, dataset: Dataset, target: Path, dead: DeadLetters) -> None:
    target.mkdir(parents=True, exist_ok=True)
    draft = target / f".{_TABLE}.part"
    seen: set[str] = set()
    with draft.open("w", encoding="utf-8") as table:
        for record in dataset:
            try:
                if problem := problem_of(record):
                    raise problem
                if record.id in seen:
                    raise RecordError("duplicate_id", f"the id {record.id!r} came before in this source")
                seen.add(record.id)
                file, size = _photo(job, record, target)
            except RecordError as error:
                dead.add(record.id, record.path, error)
                job.progress.count("failed")
                continue
            fields = {f"_{key}" if key in ("file", "id") else key: value for key, value in record.fields.items()}
            table.write(json.dumps({"file": file, "id": record.id, **fields}, ensure_ascii=False) + "\n")
            job.progress.count("unchanged" if size is None else "downloaded", size=size or 0)
    draft.replace(target / _TABLE)


def _photo(job: Job, record: Record, target: Path) -> tuple[str, int | None]:
    """Its file within the folder, and the bytes that were fetched; None where it was there already."""
    place = target / "photos"
    digest = hashlib.sha256(record.id.encode()).hexdigest()
    stem = "".join(char if char.isalnum() or char in "-_" else "-" for char in record.id)[:60].strip("-")
    found = sorted(place.glob(f"{stem}-{digest[:12]}.*"))
    if found:
        return found[0].relative_to(target).as_posix(), None
    photo = job.patience.call("source", record.read, None)
    content = photo.content if photo else b""
    place.mkdir(exist_ok=True)
    file = place / f"{stem}-{digest[:12]}{photo_type(content)[0] or '.bin'}"
    draft = file.with_name(f".{file.name}.part")
    draft.write_bytes(content)
    draft.replace(file)
    return file.relative_to(target).as_posix(), len(content)
