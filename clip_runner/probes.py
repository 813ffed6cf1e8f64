"""Texts and photos that a model is tried on when it starts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clip_runner.pixels import PixelSpec

PROBE_TEXTS = ("a photo of a black leather jacket.", "red dress", "men's blue denim jeans, slim fit")


def probe_pixels(spec: PixelSpec, count: int) -> NDArray[np.uint8]:
    """Soft coloured shapes with a little grain, uint8 (count, height, width, 3): nearer to photos than noise is."""
    random = np.random.default_rng(0)
    height, width = spec.height, spec.width
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    photos = np.empty((count, height, width, 3), np.uint8)
    for photo in photos:
        centre, spread = random.uniform(0.3, 0.7, 2), random.uniform(0.1, 0.4, 2)
        shape = np.exp(-(((x / width - centre[0]) / spread[0]) ** 2) - ((y / height - centre[1]) / spread[1]) ** 2)
        colours = random.uniform(0, 255, (2, 3))
        blend = shape[..., None] * colours[0] + (1 - shape[..., None]) * colours[1]
        photo[...] = np.clip(blend + random.normal(0, 8, blend.shape), 0, 255)
    return photos
