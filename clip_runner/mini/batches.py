"""What one training step looks at. A step's batch depends on the seed and the step alone, so a resumed run sees what
an unbroken one would."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from clip_runner.mini.captions import Captions
from clip_runner.mini.claims import Claim, Known
from clip_runner.mini.lexicon import Lexicon
from clip_runner.mini.plan import Plan

EVEN_AT_HOME, EVEN_IN_SHOPS = 0.9, 0.6
"""How far labels are drawn alike: 0 is each photo alike, 1 each label. The few labels of home photos are what is asked
for; most of a shop's many are rare, and would be learnt by heart."""


@dataclass(frozen=True)
class Batch:
    """Photos by number, the row of pixels (in the stage `locked`: of outcomes) in which each is seen, claims, and texts
    of the corpus by number."""

    photos: list[int]
    rows: list[int]
    claims: list[Claim]
    phrases: list[int]


class Sides:
    """Photos taken at home and those of shops, to be drawn from, rare labels more often than their share."""

    def __init__(self, known: Sequence[Known], lexicon: Lexicon) -> None:
        self.at_home = [lexicon.labels[photo.label].startswith("home ") for photo in known]
        self._home = self._weighted(known, True)
        self._shop = self._weighted(known, False)

    def _weighted(self, known: Sequence[Known], home: bool) -> tuple[list[int], list[float]]:
        """The photos of a side, by number, with their cumulated weights."""
        side = [number for number, at_home in enumerate(self.at_home) if at_home == home]
        counts = Counter(known[number].label for number in side)
        even = EVEN_AT_HOME if home else EVEN_IN_SHOPS
        return side, list(accumulate(counts[known[number].label] ** -even for number in side))

    def draw(self, count: int, share: float, draw: random.Random) -> list[int]:
        """So many photos by number; the share of them that was taken at home, where there are both."""
        (home, home_weights), (shop, shop_weights) = self._home, self._shop
        at_home = round(count * share) if shop else count
        photos = draw.choices(home, cum_weights=home_weights, k=at_home) if home else []
        return photos + (draw.choices(shop, cum_weights=shop_weights, k=count - len(photos)) if shop else [])


class Batches:
    """Draws batches in which photos taken at home have their share, and rare labels more than theirs."""

    def __init__(self, known: Sequence[Known], lexicon: Lexicon, captions: Captions, corpus: int, plan: Plan) -> None:
        self._known, self._captions, self._corpus, self._plan = known, captions, corpus, plan
        self._concepts = len(lexicon.concepts)
        self._sides = Sides(known, lexicon)
        self._looked = Sides(known[: plan.looked], lexicon)

    def at(self, step: int) -> Batch:
        """The batch of a step; one of the stage `words` has phrases alone."""
        plan, draw = self._plan, random.Random(f"{self._plan.seed} {step}")
        alone = plan.stage(step) == "words"
        phrases = draw.sample(range(self._corpus), min(self._corpus, plan.phrases * (4 if alone else 1)))
        if alone:
            return Batch([], [], [], phrases)
        locked = plan.stage(step) == "locked"
        photos = (self._looked if locked else self._sides).draw(plan.batch, plan.home, draw)
        times = 1 if locked else plan.said
        claims = [self._captions.of_photo(self._known[photo], draw) for photo in photos * times]
        near = draw.sample(photos, min(len(photos), plan.beside * times))
        claims += [self._captions.beside(self._known[photo], draw) for photo in near]
        concepts = draw.sample(range(self._concepts), min(self._concepts, plan.bank))
        claims += [self._captions.of_concept(concept, draw) for concept in concepts]
        rows = photos if locked else [photo * plan.views + draw.randrange(plan.views) for photo in photos]
        return Batch(photos, rows, list(dict.fromkeys(claims)), phrases)
