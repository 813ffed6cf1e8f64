"""The last stage of training: the text tower, and both projections, against all photos at once.

Steps of 128 photos hardly ever show two garments of one kind and colour; what tells these apart is not learnt there.
With the vision tower as it is, its outcomes are computed once, and each text can be contrasted with every photo.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from itertools import accumulate
from math import log
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import normalize

from clip_runner.mini import tower
from clip_runner.mini.captions import Captions
from clip_runner.mini.claims import UNKNOWN, Claim, truth
from clip_runner.mini.descent import Descent
from clip_runner.mini.gallery import Gallery
from clip_runner.mini.lexicon import UNSURE, Lexicon
from clip_runner.mini.losses import contrast
from clip_runner.mini.precision import faster

TEXT_SHARES = (0.35, 0.65)
"""How much words may count beside a photo; half is what the service does where nothing is said."""


@dataclass(frozen=True)
class SharpeningPlan:
    """The numbers of a run."""

    steps: int = 400
    titles: int = 192
    """Texts a step that are a product's title; each product is as likely."""

    kept: float = 0.85
    """Share of a title's words that are said."""

    described: int = 128
    """Texts a step that are true of a photo, and not its title."""

    home: float = 0.4
    """Share of these photos taken at home."""

    bank: int = 48
    """Texts a step that name some kind of thing."""

    recoloured: int = 64
    """Photos a step that are asked for in another colour: a photo and words beside it, as the service mixes them."""

    phrases: int = 64
    """Texts a step that keep the vectors they had."""

    keeping: float = 30.0
    """The weight of that: without it, what is said in other words is forgotten."""

    rate: float = 3e-4
    photo_rate: float = 1e-4
    """Of the photos' projection."""

    scale: float = 29.0
    """What cosines are multiplied by at first, as after the stage `open`. With more, texts come to differ less from
    each other, and count for little beside a photo."""

    average_over: int = 60
    seed: int = 0

    def rate_at(self, step: int, rate: float) -> float:
        """Up over 20 steps, kept, and down in a line over the second half."""
        return rate * min(1.0, (step + 1) / 20, max(0.02, (self.steps - step) / (self.steps / 2)))


class Sharpening:
    """A run in progress over a model that was trained; it goes on from its checkpoint."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        gallery: Gallery,
        lexicon: Lexicon,
        plan: SharpeningPlan,
        checkpoint: Path,
    ) -> None:
        self.model, self._tokenizer, self._gallery, self._lexicon, self._plan = model, tokenizer, gallery, lexicon, plan
        self._captions = Captions(lexicon)
        self._products = _each_product_alike([photo.product for photo in gallery.known])
        self._at_home = torch.tensor(gallery.sides.at_home, device=gallery.outcomes.device)
        self._before = deepcopy(model)
        with torch.no_grad():
            model.logit_scale.fill_(log(plan.scale))
        for name, value in model.named_parameters():
            value.requires_grad_(not name.startswith("vision_model."))
        trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
        groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
        for name, value in trained.items():
            groups.setdefault((name.startswith("visual_projection"), value.ndim > 1), []).append(value)
        self._descent = Descent(
            trained,
            [
                {"params": values, "photos": photos, "weight_decay": 0.05 if matrix and not photos else 0.0}
                for (photos, matrix), values in sorted(groups.items(), key=lambda item: item[0])
            ],
            plan.average_over,
            asdict(plan),
            lambda other: other == asdict(plan),
            checkpoint,
        )

    @property
    def step(self) -> int:
        return self._descent.step

    def run(self, report: Callable[[int, str, dict[str, float]], None]) -> None:
        """Train to the end, and give the model the moving average of its weights."""
        while self.step < self._plan.steps:
            losses = self._losses()
            self._descent.take(
                torch.stack([*losses.values()]).sum(),
                lambda group: self._plan.rate_at(
                    self.step, self._plan.photo_rate if group["photos"] else self._plan.rate
                ),
            )
            tower.keep_scale(self.model)
            report(self.step, "sharpening", {name: float(value.detach()) for name, value in losses.items()})
            self._descent.advance(end=self._plan.steps)
        self._descent.take_average()

    def _losses(self) -> dict[str, torch.Tensor]:
        plan, gallery, draw = self._plan, self._gallery, random.Random(f"{self._plan.seed} sharpening {self.step}")
        titles, others = self._titles(draw), self._others(draw)
        shown = gallery.sides.draw(plan.recoloured, plan.home, draw)
        colours = [self._captions.recoloured(gallery.known[photo], draw) for photo in shown]
        phrases = [self._captions.phrase(draw) for _ in range(plan.phrases)]
        texts = [*(claim.text for claim in (*titles, *others, *colours)), *phrases]
        views = torch.Generator().manual_seed(plan.seed * 1_000_003 + self.step)
        photos = tower.projected(self.model, gallery.drawn(views))
        with torch.no_grad():
            before = tower.encode(self._before, self._tokenizer, phrases)
        with faster(photos.device):
            vectors = tower.encode(self.model, self._tokenizer, texts)
        sizes = [len(titles), len(others), len(colours), len(phrases)]
        of_titles, of_others, of_colours, kept = torch.split(vectors, sizes)
        losses = {"kept": plan.keeping * (1 - (kept * before).sum(dim=1)).mean()}
        if titles:
            losses["titles"] = self._contrast(photos, of_titles, self._truth(titles))
        # Apart, as they are searched: beside the many of shops the few of a home would hardly count.
        right = self._truth(others)
        sides = [side for side in (self._at_home, ~self._at_home) if side.any()]
        apart = [self._contrast(photos[side], of_others, right[side]) for side in sides]
        losses["described"] = torch.stack(apart).mean()
        losses["recoloured"] = self._recoloured(photos, shown, of_colours, colours, draw)
        return losses

    def _recoloured(
        self, photos: torch.Tensor, shown: list[int], texts: torch.Tensor, claims: list[Claim], draw: random.Random
    ) -> torch.Tensor:
        right = self._truth(claims)
        # Who shows a photo knows it; whether it is found, too, does not matter.
        right[shown, range(len(shown))] = UNSURE
        share = torch.tensor([[draw.uniform(*TEXT_SHARES)] for _ in shown], device=texts.device)
        return self._contrast(photos, normalize(share * texts + (1 - share) * photos[shown], dim=1), right)

    def _truth(self, claims: Sequence[Claim]) -> torch.Tensor:
        """How each claim stands to each photo, int8 (photos, claims)."""
        found = truth(self._gallery.known, claims, self._lexicon)
        return torch.from_numpy(found).to(self._gallery.outcomes.device)

    def _contrast(self, photos: torch.Tensor, texts: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return contrast(photos, texts, self.model.logit_scale.exp(), right)

    def _titles(self, draw: random.Random) -> list[Claim]:
        photos, weights = self._products
        chosen = draw.choices(photos, cum_weights=weights, k=self._plan.titles) if photos else []
        return [self._captions.titled(self._gallery.known[photo], draw, self._plan.kept) for photo in chosen]

    def _others(self, draw: random.Random) -> list[Claim]:
        plan, concepts = self._plan, range(len(self._lexicon.concepts))
        photos = self._gallery.sides.draw(plan.described, plan.home, draw)
        claims = [self._captions.described(self._gallery.known[photo], draw) for photo in photos]
        named = draw.sample(concepts, min(len(concepts), plan.bank))
        return claims + [self._captions.of_concept(concept, draw) for concept in named]


def _each_product_alike(products: Sequence[int]) -> tuple[list[int], list[float]]:
    """Photos of a product, by number, with cumulated weights that make each product as likely."""
    photos = [number for number, product in enumerate(products) if product != UNKNOWN]
    counts = Counter(products[number] for number in photos)
    return photos, list(accumulate(1 / counts[products[number]] for number in photos))
