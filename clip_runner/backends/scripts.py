"""Towers as TorchScript on a CPU: the same operations without the Python between them.

That Python is a third of a small pass, and holds the interpreter's lock: parts of a batch in two threads wait for each
other's. In milliseconds on one thread, and with another one beside it: a text of ViT-B/32 10.7 and 16.3, as TorchScript
6.7 and 6.7; 16 texts of half as large a model 4.1 and 7.3, as TorchScript 2.8 and 2.9.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from warnings import filterwarnings

import torch
from loguru import logger
from torch import nn
from torch.jit._fuser import optimized_execution  # torch.jit has both, but not for mypy
from torch.jit._trace import TracerWarning

from clip_runner.backends.precision import MIN_COSINE

# Of what might not hold for other batches: those are tried.
filterwarnings("ignore", category=TracerWarning)

Script = Callable[..., torch.Tensor]
"""What a tower is: features (n, dim) of a batch."""


def scripted(tower: nn.Module, batches: Sequence[tuple[torch.Tensor, ...]], *, autocast: bool = False) -> Script | None:
    """The tower as TorchScript, for any batch; None where it cannot be recorded, or does not come to the same.

    Args:
        tower: in evaluation mode; it keeps its weights.
        batches: as the tower takes them. The pass over the first is recorded; the others, of other shapes, show whether
            that holds for them.
        autocast: whether operations round to bfloat16 as torch's autocast has it; then the recorded ones do.
    """
    example, *others = batches
    try:
        # Without its cache: what lies in there would be recorded as a constant.
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast, cache_enabled=False):
            recorded = torch.jit.trace(_flat(tower), example, check_trace=False)  # type: ignore[no-untyped-call]  # torch's
        for batch in others:
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                plain = tower(*batch).float()
            cosine = torch.cosine_similarity(_run(recorded, *batch).float(), plain, dim=-1).min().item()
            if not cosine >= MIN_COSINE:
                raise RuntimeError(f"other batches do not come to the same (cosine {cosine:.4f})")
    except Exception as error:  # whatever a model or the recording raises: the plain tower does
        logger.warning("{} cannot be recorded and is slower for it: {}", type(tower).__name__, error)
        return None
    return lambda *given: _run(recorded, *given)


def _flat(tower: nn.Module) -> nn.Module:
    """The tower's weights in one module: to record each of its three hundred takes longer than the pass itself."""

    class Flat(nn.Module):
        def forward(self, *given: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = tower(*given)
            return features

    flat = Flat()
    weights = {id(values): values for values in (*tower.parameters(), *tower.buffers())}
    for number, values in enumerate(weights.values()):
        flat.register_buffer(f"weight_{number}", values)
    return flat.eval()


def _run(recorded: Callable[..., torch.Tensor], *given: torch.Tensor) -> torch.Tensor:
    # Optimised, its first two passes take a tenth of a second each, and those that follow are no faster.
    with torch.inference_mode(), optimized_execution(False):
        return recorded(*given)
