"""Texts for photos, in many phrasings, drawn at random; and phrases whose meaning a sentence model teaches."""

from __future__ import annotations

import random
from collections.abc import Sequence

from clip_runner.mini.claims import UNKNOWN, Claim, Known
from clip_runner.mini.lexicon import Lexicon

FRAMES = ("a photo of {}.",) * 5 + ("{}",) * 3 + ("a photo of a {}", "photo of {}", "a picture of {}", "{}, photo")
"""The first is the service's own prompt, so half of the texts are in it."""

ON = ("something {quality} for the {part}", "something to wear on the {part}", "{quality} things for the {part}")
COLOURED = ("{colour} {word}",) * 4 + ("{word} in {colour}", "{colour} coloured {word}")
COLOURED_WORN = (
    "{colour} {wearer}'s {word}",
    "{wearer}'s {colour} {word}",
    "{wearer} {colour} {word}",
    "{colour} {word} for {wearer}",
)
WORN = ("{wearer}'s {word}", "{wearer} {word}", "{word} for {wearer}")

BESIDE = ("{}", "{}", "in {}", "{} instead", "the same in {}")
"""How a colour is said beside a photo."""

COMMON = 16
"""Most photos have one of so many first colours; a rare one would be no temptation."""


class Captions:
    """Draws texts. Every draw uses the given generator alone, so the same seed gives the same texts."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._of_label = [lexicon.of_label(label) for label in range(len(lexicon.labels))]

    def of_photo(self, photo: Known, draw: random.Random) -> Claim:
        """A text that is true of the photo."""
        if photo.product != UNKNOWN and draw.random() < 0.35:
            return self.titled(photo, draw)
        return self.described(photo, draw)

    def titled(self, photo: Known, draw: random.Random, kept: float = 1.0) -> Claim:
        """The photo's title, of which each word is kept with this probability."""
        words = photo.title.split() if kept < 1 else []
        said = " ".join(word for word in words if draw.random() < kept)
        return Claim(_framed(said or photo.title, draw), product=photo.product)

    def described(self, photo: Known, draw: random.Random) -> Claim:
        """A text that is true of the photo, and not its title."""
        concept = draw.choice(self._of_label[photo.label])
        if self._lexicon.concepts[concept].says and draw.random() < (0.3 if photo.product == UNKNOWN else 0.1):
            return Claim(_framed(self._told(concept, draw), draw), concept)
        colour = photo.colour if draw.random() < 0.65 else UNKNOWN
        wearer = photo.wearer if draw.random() < 0.35 else UNKNOWN
        trait = photo.trait if draw.random() < 0.35 else UNKNOWN
        return self._named(concept, colour, wearer, trait, draw)

    def recoloured(self, photo: Known, draw: random.Random) -> Claim:
        """A colour alone, as it is said beside a photo: the claim is the photo's kind of thing in that colour."""
        colour = draw.randrange(COMMON)
        text = draw.choice(BESIDE).format(self._colour_name(colour, draw))
        return Claim(_framed(text, draw), draw.choice(self._of_label[photo.label]), colour)

    def beside(self, photo: Known, draw: random.Random) -> Claim:
        """A text that is nearly true of the photo: its kind in another colour or pattern, or its colour on another
        kind."""
        concept = draw.choice(self._of_label[photo.label])
        colours, traits = range(len(self._lexicon.colours)), range(len(self._lexicon.traits))
        if photo.trait != UNKNOWN and draw.random() < 0.25:
            return self._named(concept, UNKNOWN, UNKNOWN, draw.choice(traits), draw)
        if photo.colour == UNKNOWN or draw.random() < 0.4:
            concept = draw.randrange(len(self._lexicon.concepts))
            return self._named(concept, photo.colour, UNKNOWN, UNKNOWN, draw)
        return self._named(concept, draw.choice(colours[:COMMON]), UNKNOWN, UNKNOWN, draw)

    def of_concept(self, concept: int, draw: random.Random) -> Claim:
        """A name or a description of a kind of thing."""
        if self._lexicon.concepts[concept].says and draw.random() < 0.4:
            return Claim(_framed(self._told(concept, draw), draw), concept)
        return self._named(concept, UNKNOWN, UNKNOWN, UNKNOWN, draw)

    def phrase(self, draw: random.Random) -> str:
        """A phrase about clothes that is taken to be true of no photo in particular."""
        lexicon, parts = self._lexicon, self._lexicon.phrases
        concept = lexicon.concepts[draw.randrange(len(lexicon.concepts))]
        word = draw.choice(concept.words)
        if draw.random() < 0.2:
            return _framed(f"something {draw.choice(parts['qualities'])} for the {draw.choice(parts['parts'])}", draw)
        if concept.says and draw.random() < 0.25:
            return _framed(draw.choice(concept.says), draw)
        before = draw.sample(("colours", "materials", "patterns", "cuts", "qualities"), draw.randrange(3))
        words = [self._colour(draw) if name == "colours" else draw.choice(parts[name]) for name in before]
        after = draw.choice(("details", "occasions", "", ""))
        wearer = f"{draw.choice(draw.choice(lexicon.wearer_words))}'s" if draw.random() < 0.15 else ""
        return _framed(" ".join(filter(None, (wearer, *words, word, draw.choice(parts[after]) if after else ""))), draw)

    def _told(self, concept: int, draw: random.Random) -> str:
        """One of the concept's descriptions, or where on the body it is worn."""
        described, parts = self._lexicon.concepts[concept], self._lexicon.phrases
        if described.worn_on and draw.random() < 0.2:
            quality = draw.choice(parts["qualities"])
            return draw.choice(ON).format(quality=quality, part=draw.choice(described.worn_on))
        return draw.choice(described.says)

    def _colour(self, draw: random.Random) -> str:
        return draw.choice(draw.choice(self._lexicon.colour_words))

    def _colour_name(self, colour: int, draw: random.Random) -> str:
        names = self._lexicon.colour_words[colour]
        return names[0] if draw.random() < 0.6 else draw.choice(names)

    def _named(self, concept: int, colour: int, wearer: int, trait: int, draw: random.Random) -> Claim:
        lexicon = self._lexicon
        thing = draw.choice(lexicon.concepts[concept].words)
        if trait != UNKNOWN:
            said = lexicon.traits[trait]
            after = said.after and draw.random() < 0.3
            thing = f"{thing} {draw.choice(said.after)}" if after else f"{draw.choice(said.before)} {thing}"
        words = {"word": thing}
        if colour != UNKNOWN:
            words["colour"] = self._colour_name(colour, draw)
        if wearer != UNKNOWN:
            words["wearer"] = draw.choice(lexicon.wearer_words[wearer])
        frames = {
            (False, False): ("{word}",),
            (True, False): COLOURED,
            (False, True): WORN,
            (True, True): COLOURED_WORN,
        }[colour != UNKNOWN, wearer != UNKNOWN]
        return Claim(_framed(draw.choice(frames).format(**words), draw), concept, colour, wearer, trait)


def corpus(captions: Captions, titles: Sequence[str], phrases: int, seed: int) -> list[str]:
    """Distinct phrases and titles, to be given their meaning by a sentence model."""
    draw = random.Random(f"{seed} corpus")
    found = dict.fromkeys(captions.phrase(draw) for _ in range(phrases))
    distinct = sorted(set(titles) - {""})
    return [*found, *draw.sample(distinct, min(len(distinct), phrases // 3))]


def _framed(text: str, draw: random.Random) -> str:
    return draw.choice(FRAMES).format(text)
