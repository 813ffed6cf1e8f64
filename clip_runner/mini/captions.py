"""Texts for photos, in many phrasings, drawn at random; and phrases whose meaning a sentence model teaches."""

from __future__ import annotations

import random
from collections.abc import Sequence

from clip_runner.mini.claims import UNKNOWN, Claim, Known
from clip_runner.mini.lexicon import Lexicon

FRAMES = ("a photo of {}.",) * 5 + ("{}",) * 3 + ("a photo of a {}", "photo of {}", "a picture of {}", "{}, photo")
"""The first is the service's own prompt, so half of the texts are in it."""

COLOURED = ("{colour} {word}",) * 4 + ("{word} in {colour}", "{colour} coloured {word}")
WORN = ("{wearer}'s {thing}", "{wearer} {thing}", "{thing} for {wearer}")


class Captions:
    """Draws texts. Every draw uses the given generator alone, so the same seed gives the same texts."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._of_label = [lexicon.of_label(label) for label in range(len(lexicon.labels))]

    def of_photo(self, photo: Known, draw: random.Random) -> Claim:
        """A text that is true of the photo."""
        if photo.product != UNKNOWN and draw.random() < 0.3:
            return Claim(_framed(photo.title, draw), product=photo.product)
        concept = draw.choice(self._of_label[photo.label])
        says = self._lexicon.concepts[concept].says
        if says and draw.random() < (0.25 if photo.colour == UNKNOWN else 0.1):
            return Claim(_framed(draw.choice(says), draw), concept)
        colour = photo.colour if draw.random() < 0.7 else UNKNOWN
        wearer = photo.wearer if draw.random() < 0.3 else UNKNOWN
        return self._named(concept, colour, wearer, draw)

    def beside(self, photo: Known, draw: random.Random) -> Claim:
        """A text that is nearly true of the photo: its kind in another colour, or its colour on another kind."""
        concept = draw.choice(self._of_label[photo.label])
        colours = range(len(self._lexicon.colours))
        if photo.colour == UNKNOWN or draw.random() < 0.4:
            concept = draw.randrange(len(self._lexicon.concepts))
            return self._named(concept, photo.colour, UNKNOWN, draw)
        # Most photos have one of the first colours; a rare one would be no temptation.
        return self._named(concept, draw.choice(colours[:16]), UNKNOWN, draw)

    def of_concept(self, concept: int, draw: random.Random) -> Claim:
        """A name or a description of a kind of thing."""
        says = self._lexicon.concepts[concept].says
        if says and draw.random() < 0.3:
            return Claim(_framed(draw.choice(says), draw), concept)
        return self._named(concept, UNKNOWN, UNKNOWN, draw)

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

    def _colour(self, draw: random.Random) -> str:
        return draw.choice(draw.choice(self._lexicon.colour_words))

    def _named(self, concept: int, colour: int, wearer: int, draw: random.Random) -> Claim:
        thing = draw.choice(self._lexicon.concepts[concept].words)
        if colour != UNKNOWN:
            words = self._lexicon.colour_words[colour]
            said = words[0] if draw.random() < 0.6 else draw.choice(words)
            thing = draw.choice(COLOURED).format(colour=said, word=thing)
        if wearer != UNKNOWN:
            thing = draw.choice(WORN).format(thing=thing, wearer=draw.choice(self._lexicon.wearer_words[wearer]))
        return Claim(_framed(thing, draw), concept, colour, wearer)


def corpus(captions: Captions, titles: Sequence[str], phrases: int, seed: int) -> list[str]:
    """Distinct phrases and titles, to be given their meaning by a sentence model."""
    draw = random.Random(f"{seed} corpus")
    found = dict.fromkeys(captions.phrase(draw) for _ in range(phrases))
    distinct = sorted(set(titles) - {""})
    return [*found, *draw.sample(distinct, min(len(distinct), phrases // 3))]


def _framed(text: str, draw: random.Random) -> str:
    return draw.choice(FRAMES).format(text)
