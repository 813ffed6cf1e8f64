"""What training minimises."""

from __future__ import annotations

import torch
from torch.nn.functional import cosine_similarity, log_softmax

from clip_runner.mini.lexicon import UNSURE, YES


def contrast(photos: torch.Tensor, texts: torch.Tensor, scale: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Contrastive loss with several right answers, both ways (after Khosla et al. 2020, "Supervised Contrastive
    Learning", the sum outside the logarithm).

    Args:
        photos, texts: unit vectors, (n, dim) and (m, dim).
        scale: what cosines are multiplied by.
        truth: (n, m) of NO, UNSURE, YES; unsure pairs count neither way.
    """
    logits = (scale * photos @ texts.T).masked_fill(truth == UNSURE, -torch.inf)
    right = truth == YES
    return (_one_way(logits, right) + _one_way(logits.T, right.T)) / 2


def _one_way(logits: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Mean over the rows that have a right answer of the mean of its answers' negative log-probabilities."""
    count = right.sum(dim=1)
    # An unsure pair's -inf times zero would be nan.
    logs = log_softmax(logits, dim=1).masked_fill(~right, 0)
    rows = -logs.sum(dim=1) / count.clamp(min=1)
    return rows[count > 0].mean()


def meaning(texts: torch.Tensor, teacher: torch.Tensor, head: torch.nn.Module) -> torch.Tensor:
    """How far texts, mapped by `head`, point away from the sentence model's vectors: 0 (the same way) to 2."""
    return 1 - cosine_similarity(head(texts), teacher, dim=1).mean()


def closeness(texts: torch.Tensor, teacher: torch.Tensor, temperature: float = 0.1) -> torch.Tensor:
    """Whether each text finds the same neighbours in the batch as the sentence model does: a cross entropy.

    Relational distillation (after Park et al. 2019): it shapes the joint space itself, which `meaning` leaves to a map.
    """
    itself = torch.eye(len(texts), dtype=torch.bool, device=texts.device)
    wanted = (teacher @ teacher.T / temperature).masked_fill(itself, -torch.inf).softmax(dim=1)
    found = log_softmax((texts @ texts.T / temperature).masked_fill(itself, -1e4), dim=1)
    return -(wanted * found).sum(dim=1).mean()
