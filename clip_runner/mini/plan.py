"""How long and how fast is trained: one set of numbers a run, kept beside its checkpoint."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """The numbers of a run. Steps: `words` on texts alone, `locked` with the vision tower locked, `open` with its last
    blocks open."""

    photos: int = 22_000
    """At most so many photos are trained on."""

    views: int = 4
    """Of each photo: as the service sees it, then parts of it, mirrored or not."""

    looked: int = 5_000
    """So many of them, as the service sees them, are what the stage `locked` looks at."""

    frozen: int = 7
    """Blocks of the vision tower that stay as they are."""

    patches: float = 0.6
    """Share of a photo's patches that a step of the stage `open` looks at, until its rates come down: more steps fit
    into the time."""

    words: int = 120
    locked: int = 150
    open: int = 1150
    batch: int = 128
    said: int = 2
    """Texts of each photo in a step of the stage `open`, where photos are what costs; elsewhere one."""

    beside: int = 24
    """Texts a step that are nearly true of a photo; in the stage `open` as many times more."""

    bank: int = 48
    """Texts a step that name some kind of thing."""

    phrases: int = 48
    """Texts a step whose meaning a sentence model teaches."""

    corpus: int = 12_000
    """Phrases whose meaning is taught; a third as many titles are added."""

    home: float = 0.4
    """Share of photos taken at home in a batch."""

    text_rate: float = 1e-3
    vision_rate: float = 2e-4
    layer_decay: float = 0.8
    average_over: int = 60
    """Steps that the moving average of the weights looks back over."""

    seed: int = 0

    @property
    def steps(self) -> int:
        return self.words + self.locked + self.open

    def stage(self, step: int) -> str:
        """`words`, `locked` or `open`."""
        return "words" if step < self.words else "locked" if step < self.words + self.locked else "open"

    def patches_at(self, step: int) -> float:
        """All of them in the last third of the steps of the stage `open`, where the rates come down."""
        return 1.0 if self.steps - step <= self.open // 3 else self.patches

    def text_rate_at(self, step: int) -> float:
        """The learning rate of all but vision: a ramp up to the opening, and a lower one from there on."""
        before = self.words + self.locked
        if step < before:
            return self.text_rate * ramp(step, before, end=0.2)
        return self.text_rate * 0.8 * held(step - before, self.open)

    def vision_rate_at(self, step: int, block: int, blocks: int) -> float:
        """The rate of a vision block: nothing while locked, then warmed up; earlier blocks slower."""
        since = step - self.words - self.locked
        if since < 0:
            return 0.0
        decay: float = self.layer_decay ** (blocks - 1 - block)
        return self.vision_rate * decay * held(since, self.open)

    def same_but_for_its_length(self, other: dict[str, Any]) -> bool:
        """Whether a run of the other plan can be gone on with by this one: the stage `open` may be cut or prolonged."""
        return other | {"open": self.open} == self.as_dict()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def ramp(step: int, steps: int, end: float = 0.01) -> float:
    """Up to 1 over a fifteenth of the steps, then half a cosine down to `end`."""
    warm = max(1, steps // 15)
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return end + (1 - end) * (1 + math.cos(math.pi * min(1.0, done))) / 2


def held(step: int, steps: int, warm: int = 25, end: float = 0.02) -> float:
    """Up to 1 over `warm` steps, kept, and down in a line over the last third: until there, `steps` can be changed."""
    up = min(1.0, (step + 1) / min(warm, max(1, steps // 4)))
    down = (steps - step) / max(1, steps // 3)
    return min(up, max(end, min(1.0, down)))
