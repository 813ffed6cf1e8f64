"""What this machine can compute on, and in which types it is fast."""

from __future__ import annotations

from pathlib import Path

import torch

# Instructions that compute in bfloat16; without them it is emulated, and slower than float32.
_CPU_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def choose_device(asked: str) -> torch.device:
    """The device of `MODEL_DEVICE`; `auto` is a GPU where there is one, else the CPU."""
    if asked != "auto":
        return torch.device(asked)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast_dtypes(device: torch.device) -> tuple[str, ...]:
    """Precisions that this hardware computes faster than float32, best first.

    `mixed` keeps sums and norms in float32 and multiplies matrices in bfloat16: for models that lose too
    much when all is rounded, at nearly the same speed.
    """
    if device.type == "cuda":
        return ("float16", "bfloat16", "mixed")
    return ("bfloat16", "mixed") if _CPU_BF16_FLAGS & _cpu_flags() else ()


def _cpu_flags() -> frozenset[str]:
    """The processor's instruction set extensions; empty where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())
