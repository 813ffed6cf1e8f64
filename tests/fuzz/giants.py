"""The most expensive photos that are allowed: 62 megapixels in a few kilobytes, in every mode that is converted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.photos import encoded

_SIDE = 7_900

GIANTS: dict[str, Callable[[], bytes]] = {
    "16 bit grey PNG": lambda: encoded(Image.fromarray(np.zeros((_SIDE, _SIDE), np.uint16))),
    "RGBA PNG": lambda: _plain("RGBA", "PNG"),
    "palette PNG with transparency": lambda: _plain("P", "PNG", transparency=0),
    "grey PNG with transparency": lambda: _plain("LA", "PNG"),
    "TIFF of fractions": lambda: _plain("F", "TIFF", compression="tiff_adobe_deflate"),
    "GIF with transparency": lambda: _plain("P", "GIF", transparency=0),
    "lossless WebP": lambda: _plain("RGBA", "WEBP", lossless=True),
    "CMYK JPEG": lambda: _plain("CMYK", "JPEG"),
}


def _plain(mode: str, format: str, **options: object) -> bytes:
    return encoded(Image.new(mode, (_SIDE, _SIDE)), format, **options)
