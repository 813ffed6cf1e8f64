"""The training loop: three stages, a checkpoint every few steps, the moving average of the weights as its outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clip_runner.mini import dinov2, tower
from clip_runner.mini.batches import Batch, Batches
from clip_runner.mini.claims import Known, truth
from clip_runner.mini.descent import Descent
from clip_runner.mini.lexicon import Lexicon
from clip_runner.mini.losses import closeness, contrast, meaning
from clip_runner.mini.plan import Plan
from clip_runner.mini.precision import faster
from clip_runner.mini.views import normalised


@dataclass
class Material:
    """What is trained on."""

    pixels: NDArray[np.uint8]
    """Photos (rows, size, size, 3): `views` rows a photo."""

    outcomes: NDArray[np.float32]
    """What the vision tower makes of the first photos before its last blocks are opened, (`looked`, width)."""

    known: Sequence[Known]
    lexicon: Lexicon
    corpus: Sequence[str]
    meanings: torch.Tensor
    """The corpus' vectors by the sentence model, float32 (texts, 384)."""

    batches: Batches


class Training:
    """A run in progress; made anew from the same parts and a checkpoint, it goes on as if never ended."""

    def __init__(self, model: Any, tokenizer: Any, material: Material, plan: Plan, checkpoint: Path) -> None:
        self.model, self._tokenizer, self._material, self._plan = model, tokenizer, material, plan
        self._device = next(model.parameters()).device
        torch.manual_seed(plan.seed)
        self._head = torch.nn.Linear(tower.DIM, material.meanings.shape[1], bias=False).to(self._device)
        self._trained = self._choose_trained()
        self._descent = Descent(
            self._trained, self._groups(), plan.average_over, plan.as_dict(), plan.same_but_for_its_length, checkpoint
        )

    @property
    def step(self) -> int:
        return self._descent.step

    def _choose_trained(self) -> dict[str, torch.nn.Parameter]:
        closed = ("vision_model.embeddings", "vision_model.pre_layrnorm")
        frozen = tuple(f"vision_model.encoder.layers.{block}." for block in range(self._plan.frozen))
        for name, value in self.model.named_parameters():
            value.requires_grad_(not name.startswith((*closed, *frozen)))
        named = {name: value for name, value in self.model.named_parameters() if value.requires_grad}
        return named | {f"head.{name}": value for name, value in self._head.named_parameters()}

    def _groups(self) -> list[dict[str, Any]]:
        """One group for each vision block (the last takes the final norm) and one for the rest; with and without
        weight decay."""
        groups: dict[tuple[int, bool], list[torch.nn.Parameter]] = {}
        for name, value in self._trained.items():
            block = -1
            if name.startswith("vision_model."):
                block = int(name.split(".")[3]) if "encoder.layers" in name else dinov2.BLOCKS - 1
            groups.setdefault((block, value.ndim > 1), []).append(value)
        return [
            {"params": values, "block": block, "weight_decay": 0.05 if matrix else 0.0}
            for (block, matrix), values in sorted(groups.items(), key=lambda item: item[0])
        ]

    def run(self, report: Callable[[int, str, dict[str, float]], None], until: int | None = None) -> None:
        """Train to the end of the plan, or to a step; `report` is given step, stage and losses after each step."""
        end = self._plan.steps if until is None else min(until, self._plan.steps)
        while self.step < end:
            losses = self._train_step()
            report(self.step, self._plan.stage(self.step), losses)
            self._descent.advance(end=end)

    def _train_step(self) -> dict[str, float]:
        losses = self._losses(self._material.batches.at(self.step))
        self._descent.take(torch.stack([*losses.values()]).sum(), lambda group: self._rate(group["block"]))
        tower.keep_scale(self.model)
        return {name: float(value.detach()) for name, value in losses.items()}

    def _rate(self, block: int) -> float:
        if block < 0:
            return self._plan.text_rate_at(self.step)
        return self._plan.vision_rate_at(self.step, block, dinov2.BLOCKS)

    def _losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        material = self._material
        teacher = material.meanings[batch.phrases].to(self._device)
        texts = [claim.text for claim in batch.claims] + [material.corpus[number] for number in batch.phrases]
        with faster(self._device):
            vectors = tower.encode(self.model, self._tokenizer, texts)
            photos = self._photos(batch.rows) if batch.photos else None
        claims, phrases = vectors[: len(batch.claims)], vectors[len(batch.claims) :]
        losses = {"meaning": meaning(phrases, teacher, self._head), "closeness": 0.3 * closeness(phrases, teacher)}
        if photos is not None:
            right = torch.from_numpy(truth([material.known[n] for n in batch.photos], batch.claims, material.lexicon))
            scale = self.model.logit_scale.exp()
            losses["contrast"] = contrast(photos, claims, scale, right.to(self._device))
        return losses

    def _photos(self, rows: Sequence[int]) -> torch.Tensor:
        if self._plan.stage(self.step) == "locked":
            locked = torch.from_numpy(self._material.outcomes[rows]).to(self._device)
            return tower.projected(self.model, locked)
        order = np.argsort(rows)  # the file is read in its own order
        pixels = normalised(self._material.pixels[np.array(rows)[order]][np.argsort(order)], self._device)
        draw = torch.Generator().manual_seed(self._plan.seed * 1_000_003 + self.step)
        with torch.no_grad():
            share = self._plan.patches_at(self.step)
            tokens = tower.tokens_after(self.model, pixels, self._plan.frozen, share, draw)
        return tower.projected(self.model, tower.pooled(self.model, tokens, self._plan.frozen))

    def take_average(self) -> None:
        """Give the model the moving average of its weights: what is measured and exported."""
        self._descent.take_average()
