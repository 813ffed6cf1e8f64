"""In which numbers a model is computed, and how the fastest that still agrees with float32 is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from loguru import logger
from numpy.typing import NDArray

# Below this cosine to float32 a faster type is not worth it: neighbours begin to change places.
MIN_COSINE = 0.999


def fastest_that_agrees(
    candidates: Sequence[str], use: Callable[[str], None], probe: Callable[[], NDArray[np.float32]]
) -> str:
    """The first of the candidates whose vectors agree with float32; it is in use, and warm, when this returns.

    Args:
        candidates: precisions that are faster than float32, best first.
        use: makes the model compute in a precision.
        probe: unit vectors (n, dim) of texts and photos, always the same ones.
    """
    use("float32")
    reference = probe()
    for name in candidates:
        use(name)
        cosine = float((probe() * reference).sum(axis=1).min())
        if cosine >= MIN_COSINE:
            return name
        logger.info("{} loses too much (cosine {:.4f} to float32)", name, cosine)
    if candidates:
        use("float32")
        probe()
    return "float32"
