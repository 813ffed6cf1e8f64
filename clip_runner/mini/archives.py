"""The training photos: zip archives in a folder, and one table that says what is on each photo."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Photo:
    """A row of `manifest.csv`. `file` is the photo's name in `<archive>.zip`; an absent value is ""."""

    archive: str
    file: str
    label: str
    colour: str
    title: str
    kids: bool

    @property
    def name(self) -> str:
        """The photo's name in lists: archive/file."""
        return f"{self.archive}/{self.file}"


def read_manifest(data: Path) -> list[Photo]:
    """All photos that `data/manifest.csv` lists, in its order. Raises FileNotFoundError where there is none."""
    with (data / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        return [
            Photo(row["archive"], row["file"], row["label"], row["colour"], row["title"], row["kids"] == "1")
            for row in csv.DictReader(stream)
        ]


def read_photos(data: Path, photos: Iterable[Photo]) -> Iterator[tuple[Photo, bytes]]:
    """Each photo with its file's content; an archive is opened once."""
    opened: dict[str, zipfile.ZipFile] = {}
    try:
        for photo in photos:
            if photo.archive not in opened:
                opened[photo.archive] = zipfile.ZipFile(data / f"{photo.archive}.zip")
            yield photo, opened[photo.archive].read(photo.file)
    finally:
        for archive in opened.values():
            archive.close()
