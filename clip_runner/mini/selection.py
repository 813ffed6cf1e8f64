"""Which photos are trained on, and in which order they are prepared."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Sequence

from clip_runner.mini.archives import Photo
from clip_runner.mini.lexicon import refined
from clip_runner.mini.split import held_out_names

NO_CLASS = frozenset({"Not sure", "Other", "Skip", "Free Gifts"})

COARSE = "shop60"
"""The archive of small photos: it fills up the kinds of things that the others show too rarely."""

WELCOME = 900
"""Of a kind of thing with fewer shop photos than this, small photos are taken too, up to this number."""


def label_of(photo: Photo) -> str:
    """The photo's label as the lexicon writes it."""
    return f"home {photo.label}" if photo.archive == "cc0" else refined(photo.label, photo.title)


def usable(photos: Sequence[Photo]) -> tuple[list[Photo], list[Photo]]:
    """Photos to train on and photos held out, both without those whose label says nothing."""
    held_out = held_out_names()
    named = [photo for photo in photos if photo.label not in NO_CLASS]
    return [photo for photo in named if photo.name not in held_out], [p for p in named if p.name in held_out]


def select(photos: Sequence[Photo], limit: int, seed: int) -> list[Photo]:
    """At most `limit` photos, in an order whose every beginning holds home photos and shop photos of all kinds.

    All home photos and all large shop photos are taken, and small ones of what these show rarely.
    """
    mixer = random.Random(seed)
    shuffled = sorted(photos, key=lambda photo: photo.name)
    mixer.shuffle(shuffled)
    shuffled.sort(key=lambda photo: photo.archive == COARSE)
    taken: Counter[str] = Counter()
    chosen = []
    for photo in shuffled:
        label = label_of(photo)
        if photo.archive != COARSE or taken[label] < WELCOME:
            taken[label] += 1
            chosen.append(photo)
    return spread(chosen)[:limit]


def spread(photos: Sequence[Photo]) -> list[Photo]:
    """The photos with each label's spread evenly over the whole, in their order."""
    by_label: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        by_label[label_of(photo)].append(photo)
    placed = [
        ((rank + 0.5) / len(members), label, photo)
        for label, members in by_label.items()
        for rank, photo in enumerate(members)
    ]
    return [photo for _, _, photo in sorted(placed, key=lambda place: place[:2])]
