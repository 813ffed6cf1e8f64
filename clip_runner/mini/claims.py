"""Texts with what they claim, photos with what is known of them, and which text is true of which photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip_runner.mini.archives import Photo
from clip_runner.mini.lexicon import NO, UNSURE, YES, Lexicon, Standing, trait_of, wearer_of
from clip_runner.mini.selection import label_of

UNKNOWN = -1


@dataclass(frozen=True)
class Known:
    """What is known of a photo, as numbers of the lexicon; UNKNOWN where nothing is."""

    label: int
    colour: int
    wearer: int
    trait: int
    product: int
    """Photos with one title are one product."""

    title: str


@dataclass(frozen=True)
class Claim:
    """A text, and what it says: a kind of thing, a colour, a wearer, a pattern or material, or one product; UNKNOWN:
    nothing of that."""

    text: str
    concept: int = UNKNOWN
    colour: int = UNKNOWN
    wearer: int = UNKNOWN
    trait: int = UNKNOWN
    product: int = UNKNOWN


def know(photos: Sequence[Photo], lexicon: Lexicon, measured: Sequence[str] | NDArray[np.str_] = ()) -> list[Known]:
    """What the manifest says of each photo; its colour as `measured` where it says none."""
    label = {name: number for number, name in enumerate(lexicon.labels)}
    colour = {name: number for number, name in enumerate(lexicon.colours)}
    kids = lexicon.wearers.index("kids")
    products: dict[str, int] = {}
    known = []
    for number, photo in enumerate(photos):
        found = str(measured[number]) if len(measured) else ""
        title = " ".join(photo.title.lower().split())
        known.append(
            Known(
                label=label[label_of(photo)],
                colour=colour.get((photo.colour or found).lower(), UNKNOWN),
                wearer=kids if photo.kids else wearer_of(title, lexicon.wearers),
                trait=trait_of(title, lexicon.traits),
                product=products.setdefault(title, len(products)) if title else UNKNOWN,
                title=title,
            )
        )
    return known


def truth(photos: Sequence[Known], claims: Sequence[Claim], lexicon: Lexicon) -> Standing:
    """How each claim stands to each photo: int8 (photos, claims) of NO, UNSURE, YES.

    A claim is true when all that it says is, and false when any of it is; in between it is unsure.
    """
    table = np.full((len(photos), len(claims)), YES, np.int8)
    labels, colours, wearers, traits, products = (
        np.array([getattr(photo, name) for photo in photos], np.int64)
        for name in ("label", "colour", "wearer", "trait", "product")
    )
    for column, claim in enumerate(claims):
        here = table[:, column]
        if claim.concept != UNKNOWN:
            np.minimum(here, lexicon.concepts[claim.concept].standing[labels], out=here)
        if claim.colour != UNKNOWN:
            np.minimum(here, _looked_up(lexicon.colour_standing[claim.colour], colours), out=here)
        if claim.wearer != UNKNOWN:
            np.minimum(here, _looked_up(lexicon.wearer_standing[claim.wearer], wearers), out=here)
        if claim.trait != UNKNOWN:
            np.minimum(here, _looked_up(lexicon.trait_standing[claim.trait], traits), out=here)
        if claim.product != UNKNOWN:
            np.minimum(here, np.where(products == claim.product, YES, NO).astype(np.int8), out=here)
    return table


def _looked_up(standing: Standing, values: np.ndarray) -> Standing:
    return np.where(values == UNKNOWN, UNSURE, standing[values]).astype(np.int8)
