"""Which photos are kept for measuring and never trained on: `python -m clip_runner.mini.split DATA` writes the list.

Photos of a product stay together, on one side: shop photos with the same title, and nearly equal pictures of any
archive. Of each archive's classes 15 % are held out, as far as whole groups allow.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np

from clip_runner.mini.archives import Photo, read_manifest, read_photos
from clip_runner.mini.near_duplicates import fingerprint, groups, pairs

HELD_OUT = Path(__file__).parent / "held_out.txt"
SHARE = 0.15
SEED = "held out"


def held_out_names(file: Path = HELD_OUT) -> frozenset[str]:
    """The names (archive/file) of the photos that no training may see."""
    return frozenset(file.read_text("utf-8").split("\n")) - {""}


def hold_out(photos: Sequence[Photo], group: Sequence[int]) -> list[Photo]:
    """The photos to hold out, whole groups only; `group` is each photo's group.

    Groups are taken in an order that depends on their photos' names alone, each as long as no class of an archive
    gets more than its share.
    """
    members: dict[int, list[Photo]] = defaultdict(list)
    for photo, number in zip(photos, group, strict=True):
        members[number].append(photo)
    room = Counter({stratum: round(SHARE * count) for stratum, count in Counter(map(_stratum, photos)).items()})
    taken: list[Photo] = []
    for together in sorted(members.values(), key=_order):
        wanted = Counter(map(_stratum, together))
        if all(count <= room[stratum] for stratum, count in wanted.items()):
            room.subtract(wanted)
            taken += together
    return taken


def group_products(data: Path, photos: Sequence[Photo]) -> list[int]:
    """Each photo's group, by title and by picture; reads all photos (about a minute for 32,000)."""
    prints = [fingerprint(content) for _, content in read_photos(data, photos)]
    hashes = np.stack([hash for hash, _ in prints])
    thumbnails = np.stack([thumbnail for _, thumbnail in prints])
    linked = [*same_title(photos), *pairs(hashes, thumbnails)]
    return [int(number) for number in groups(len(photos), linked)]


def same_title(photos: Sequence[Photo]) -> Iterator[tuple[int, int]]:
    """Pairs of indices that link all photos with the same title, whatever its case."""
    first: dict[str, int] = {}
    for index, photo in enumerate(photos):
        if title := " ".join(photo.title.lower().split()):
            if title in first:
                yield first[title], index
            first.setdefault(title, index)


def _stratum(photo: Photo) -> tuple[str, str]:
    return photo.archive, photo.label


def _order(together: Sequence[Photo]) -> str:
    return sha256(f"{SEED} {min(photo.name for photo in together)}".encode()).hexdigest()


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m clip_runner.mini.split FOLDER_OF_ARCHIVES\n")
        return 2
    data = Path(arguments[0])
    photos = read_manifest(data)
    taken = hold_out(photos, group_products(data, photos))
    HELD_OUT.write_text("".join(f"{name}\n" for name in sorted(photo.name for photo in taken)), "utf-8")
    counts = Counter(photo.archive for photo in photos)
    for archive, count in sorted(Counter(photo.archive for photo in taken).items()):
        sys.stdout.write(f"{archive}: {count:,} of {counts[archive]:,} held out\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
