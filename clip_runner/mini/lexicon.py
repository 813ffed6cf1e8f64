"""What clothes are called, and of which photos it is true: `lexicon.toml`, read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).parent / "lexicon.toml"

NO, UNSURE, YES = 0, 1, 2
"""How a claim stands to a photo."""

Standing = NDArray[np.int8]

PAIRS = (
    *("shoes", "sandals", "heels", "flats", "flops", "socks", "stockings", "jeans", "shorts", "trousers", "pants"),
    *("leggings", "jeggings", "tights", "capris", "glasses", "gloves", "earrings", "cufflinks", "suspenders", "ss"),
)
"""Endings of words that have no singular, or are sold in pairs."""


REFINED = {
    "Polo Tshirts": (("Tshirts",), {"polo"}),
    "Sleeveless Tops": (("Tops", "Tshirts"), {"tank", "sleeveless", "camisole", "spaghetti", "vest"}),
}
"""Kinds that a shop files under a wider type: by the types and a word of the title."""


@dataclass(frozen=True)
class Concept:
    """A kind of thing: `words` take a colour before them, `says` stand alone; `standing` by label, int8 (labels,)."""

    name: str
    words: tuple[str, ...]
    says: tuple[str, ...]
    standing: Standing
    worn_on: tuple[str, ...] = ()
    """Parts of the body."""


@dataclass(frozen=True)
class Trait:
    """A pattern or a material: words before a noun, words after it, and words of a title that tell it."""

    name: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    title: frozenset[str]


@dataclass(frozen=True)
class Lexicon:
    """All that can be said of a photo; labels, colours and wearers are numbered by their place in the tuples."""

    labels: tuple[str, ...]
    concepts: tuple[Concept, ...]
    colours: tuple[str, ...]
    colour_words: tuple[tuple[str, ...], ...]
    colour_standing: Standing
    """(colours, colours): how words of the first stand to a photo of the second."""

    wearers: tuple[str, ...]
    wearer_words: tuple[tuple[str, ...], ...]
    wearer_standing: Standing
    traits: tuple[Trait, ...]
    trait_standing: Standing
    phrases: dict[str, tuple[str, ...]]

    def of_label(self, label: int) -> list[int]:
        """The concepts that are true of photos with this label."""
        return [number for number, concept in enumerate(self.concepts) if concept.standing[label] == YES]


def read_lexicon(labels: Iterable[str], file: Path = FILE) -> Lexicon:
    """The lexicon, for photos with these labels."""
    content = tomllib.loads(file.read_text("utf-8"))
    named = {label for concept in content["concept"].values() for label in (*concept["is"], *concept.get("may", ()))}
    every = tuple(sorted({*labels, *named, *REFINED}))
    traits = tuple(
        Trait(name, tuple(entry["before"]), tuple(entry["after"]), frozenset(entry["title"]))
        for name, entry in content["trait"].items()
    )
    concepts = [
        Concept(
            name,
            tuple(entry["words"]),
            tuple(entry["says"]),
            _standing(every, _with_narrow(entry["is"]) - {*entry.get("may", ())}, entry.get("may", ())),
            tuple(entry.get("on", ())),
        )
        for name, entry in content["concept"].items()
    ]
    concepts += [_of_shop_label(every, label, content["concept"]) for label in every if not label.startswith("home ")]
    colours, wearers = tuple(content["colours"]), tuple(content["wearers"])
    return Lexicon(
        labels=every,
        concepts=tuple(concepts),
        colours=colours,
        colour_words=tuple(tuple(words) for words in content["colours"].values()),
        colour_standing=_near(colours, content["near"]["groups"]),
        wearers=wearers,
        wearer_words=tuple(tuple(words) for words in content["wearers"].values()),
        wearer_standing=_near(wearers, [["kids", "boys", "girls"], *(["unisex", name] for name in wearers)]),
        traits=traits,
        trait_standing=_apart([trait.name for trait in traits], content["apart"]["groups"]),
        phrases={name: tuple(words) for name, words in content["phrases"].items()},
    )


def refined(label: str, title: str) -> str:
    """A shop photo's label, or a narrower one of ours where the title says more than the shop's type does."""
    words = set(re.findall(r"[a-z]+", title.lower()))
    for narrow, (of, said) in REFINED.items():
        if label in of and words & said:
            return narrow
    return label


def wearer_of(title: str, wearers: tuple[str, ...]) -> int:
    """The first wearer that a product's title names, as its number; -1 for none."""
    for word in re.findall(r"[a-z]+", title.lower()):
        for number, wearer in enumerate(wearers):
            if word in (wearer, f"{wearer}s") or (wearer == "kids" and word in ("kid", "baby", "infant")):
                return number
    return -1


def trait_of(title: str, traits: Iterable[Trait]) -> int:
    """The first trait that a product's title names, as its number; -1 for none."""
    words = set(re.findall(r"[a-z]+", title.lower()))
    return next((number for number, trait in enumerate(traits) if words & trait.title), -1)


def singular(label: str) -> str:
    """A shop's article type as it is said of one thing: "Casual Shoes" stay, "Tshirts" become "tshirt"."""
    word = label.lower()
    if word.endswith(PAIRS):
        return word
    for plural, one in (("scarves", "scarf"), ("ies", "y"), ("ches", "ch"), ("dresses", "dress"), ("s", "")):
        if word.endswith(plural):
            return word.removesuffix(plural) + one
    return word


def _standing(labels: tuple[str, ...], true: Iterable[str], perhaps: Iterable[str]) -> Standing:
    yes, unsure = set(true), set(perhaps)
    return np.array([YES if label in yes else UNSURE if label in unsure else NO for label in labels], np.int8)


def _of_shop_label(labels: tuple[str, ...], label: str, entries: dict[str, dict[str, list[str]]]) -> Concept:
    """A shop's article type; photos taken at home may show it where any concept holds both."""
    together = [
        other
        for entry in entries.values()
        if label in _with_narrow(entry["is"])
        for other in (*entry["is"], *entry.get("may", ()))
        if other.startswith("home ")
    ]
    words = tuple(dict.fromkeys((label.lower(), singular(label))))
    return Concept(label, words, (), _standing(labels, _with_narrow([label]), together))


def _with_narrow(labels: Iterable[str]) -> set[str]:
    """The labels, and of those that have narrower ones of ours these too."""
    wide = set(labels)
    return wide | {narrow for narrow, (of, _) in REFINED.items() if wide.intersection(of)}


def _near(names: tuple[str, ...], groups: Iterable[Iterable[str]]) -> Standing:
    table = np.full((len(names), len(names)), NO, np.int8)
    for group in groups:
        places = [names.index(name) for name in group]
        table[np.ix_(places, places)] = UNSURE
    np.fill_diagonal(table, YES)
    return table


def _apart(names: Sequence[str], groups: Iterable[Iterable[str]]) -> Standing:
    """Traits of a group exclude each other; others may go together."""
    table = np.full((len(names), len(names)), UNSURE, np.int8)
    for group in groups:
        places = [names.index(name) for name in group]
        table[np.ix_(places, places)] = NO
    np.fill_diagonal(table, YES)
    return table
