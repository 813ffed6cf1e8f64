"""In which type training computes."""

from __future__ import annotations

import torch

from clip_runner.hardware import fast_dtypes


def faster(device: torch.device) -> torch.autocast:
    """Computing in bfloat16 where the hardware is faster at it; weights and what is summed up stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled="bfloat16" in fast_dtypes(device))
