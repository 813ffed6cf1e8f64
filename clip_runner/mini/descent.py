"""Steps of training: AdamW over named weights, their moving average, and the checkpoint that a run goes on from."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

CHECKPOINT_EVERY = 20
LONGEST = 1.0
"""A longer gradient is shortened to this."""


class Descent:
    """A run's weights and how far it is; made anew from the same weights and the checkpoint, it goes on as if never
    ended.

    Args:
        trained: what is trained, by name.
        groups: the same for `torch.optim.AdamW`; each may hold what `take`'s `rate` asks it for.
        average_over: steps that the moving average looks back over.
        plan: kept in the checkpoint; `same` says of a checkpoint's whether it can be gone on with.

    Raises:
        ValueError: the checkpoint is of another plan.
    """

    def __init__(
        self,
        trained: dict[str, torch.nn.Parameter],
        groups: list[dict[str, Any]],
        average_over: int,
        plan: dict[str, Any],
        same: Callable[[dict[str, Any]], bool],
        checkpoint: Path,
    ) -> None:
        self._trained, self._average_over, self._plan, self._checkpoint = trained, average_over, plan, checkpoint
        self._optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98))
        self._average = {name: value.detach().clone() for name, value in trained.items()}
        self.step = 0
        if checkpoint.exists():
            self._resume(same)

    def take(self, loss: torch.Tensor, rate: Callable[[dict[str, Any]], float]) -> None:
        """One step down the loss; `rate` tells each group's."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate(group)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        torch.nn.utils.clip_grad_norm_(self._trained.values(), LONGEST)
        self._optimizer.step()

    def advance(self, *, end: int) -> None:
        """Count the step: the average follows the weights, and at every twentieth and the last all is kept."""
        # Early on the average would hold little but the beginning.
        decay = min(1 - 1 / self._average_over, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self._trained.items():
                self._average[name].lerp_(value, 1 - decay)
        self.step += 1
        if self.step % CHECKPOINT_EVERY == 0 or self.step == end:
            self._save()

    def take_average(self) -> None:
        """Give the weights their moving average: what is measured and exported."""
        with torch.no_grad():
            for name, value in self._trained.items():
                value.copy_(self._average[name])

    def _save(self) -> None:
        """Written beside and then put in place, so that an end in the middle leaves the one before."""
        state = {
            "step": self.step,
            "plan": self._plan,
            "values": {name: value.detach() for name, value in self._trained.items()},
            "average": self._average,
            "optimizer": self._optimizer.state_dict(),
        }
        beside = self._checkpoint.with_suffix(".part")
        torch.save(state, beside)
        os.replace(beside, self._checkpoint)

    def _resume(self, same: Callable[[dict[str, Any]], bool]) -> None:
        device = next(iter(self._trained.values())).device
        state = torch.load(self._checkpoint, map_location=device, weights_only=True)
        if not same(state["plan"]):
            raise ValueError(f"{self._checkpoint} is of another plan; give another work folder, or remove it")
        with torch.no_grad():
            for name, value in self._trained.items():
                value.copy_(state["values"][name])
        self._average = state["average"]
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
