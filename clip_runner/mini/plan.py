"""How long and how fast is trained: one set of numbers a run, kept beside its checkpoint."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """The numbers of a run. Steps: `words` on texts alone, `locked` with the vision tower locked, `open` with its last
    blocks open."""

    photos: int = 100_000
    """At most so many photos are trained on."""

    frozen: int = 9
    """Blocks of the vision tower that stay as they are."""

    words: int = 150
    locked: int = 450
    open: int = 400
    batch: int = 192
    beside: int = 48
    """Texts a step that are nearly true of a photo."""

    bank: int = 64
    """Texts a step that name some kind of thing."""

    phrases: int = 96
    """Texts a step whose meaning a sentence model teaches."""

    corpus: int = 15_000
    """Phrases whose meaning is taught; a third as many titles are added."""

    home: float = 0.4
    """Share of photos taken at home in a batch."""

    text_rate: float = 1e-3
    vision_rate: float = 1e-4
    layer_decay: float = 0.7
    seed: int = 0

    @property
    def steps(self) -> int:
        return self.words + self.locked + self.open

    def stage(self, step: int) -> str:
        """`words`, `locked` or `open`."""
        return "words" if step < self.words else "locked" if step < self.words + self.locked else "open"

    def text_rate_at(self, step: int) -> float:
        """The learning rate of all but vision: warmed up, then a cosine down to a hundredth."""
        return self.text_rate * _ramp(step, self.steps)

    def vision_rate_at(self, step: int, block: int, blocks: int) -> float:
        """The rate of a vision block: nothing while locked, then warmed up; earlier blocks slower."""
        since = step - self.words - self.locked
        if since < 0:
            return 0.0
        decay: float = self.layer_decay ** (blocks - 1 - block)
        return self.vision_rate * decay * _ramp(since, self.open)

    @property
    def averaging(self) -> float:
        """Decay of the moving average of the weights: it looks back over a twentieth of the run."""
        return 1 - 1 / max(2.0, 0.05 * self.steps)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _ramp(step: int, steps: int) -> float:
    warm = max(1, steps // 15)
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * min(1.0, done))) / 2
