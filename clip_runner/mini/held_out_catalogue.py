"""The held-out home photos as a catalogue: `python -m clip_runner.mini.held_out_catalogue DATA FOLDER`.

The folder is then loaded like any other (`make etl SOURCE=FOLDER`), and measured with the queries for it
(`make eval QUERIES=evaluation/queries/home_held_out.jsonl`). An item's id is its photo's name without ending.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from clip_runner.mini.archives import read_manifest, read_photos
from clip_runner.mini.split import held_out_names

ARCHIVE = "cc0"
NO_CLASS = frozenset({"Not sure", "Other", "Skip"})


def write_catalogue(data: Path, folder: Path) -> int:
    """Write photos and `metadata.csv` (file, category, gender); the number of photos."""
    held_out = held_out_names()
    photos = [
        photo
        for photo in read_manifest(data)
        if photo.archive == ARCHIVE and photo.name in held_out and photo.label not in NO_CLASS
    ]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["file", "category", "gender"])
        for photo, content in read_photos(data, photos):
            (folder / photo.file).write_bytes(content)
            table.writerow([photo.file, photo.label.lower(), "kids" if photo.kids else ""])
    return len(photos)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m clip_runner.mini.held_out_catalogue FOLDER_OF_ARCHIVES FOLDER\n")
        return 2
    count = write_catalogue(Path(arguments[0]), Path(arguments[1]))
    sys.stdout.write(f"{count:,} photos in {arguments[1]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
