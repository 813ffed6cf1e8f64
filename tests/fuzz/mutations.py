"""Photos gone wrong: each case is made from its number alone, so that it can be made again."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random

import numpy as np
from PIL import Image

from tests.fuzz.containers import CONTAINERS
from tests.photos import encoded, picture, turned

# Where parsers go wrong: nothing, one, the ends of signed and unsigned ranges, and sizes just too large.
_NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x3FFF, 0x4000, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


@cache
def originals(format: str) -> tuple[bytes, ...]:
    """Photos of a format, of every kind that its decoder treats in a way of its own."""
    rgb, grey, alpha = picture(), picture(mode="L"), picture(mode="RGBA")
    palette, two = picture(mode="P"), picture(seed=1)
    fraction = Image.fromarray(np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30))
    deep = Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)
    made: dict[str, Callable[[], list[bytes]]] = {
        "JPEG": lambda: [
            encoded(rgb, "JPEG"), encoded(rgb, "JPEG", progressive=True), encoded(grey, "JPEG", optimize=True),
            encoded(picture(mode="CMYK"), "JPEG"), encoded(rgb, "JPEG", subsampling=0, restart_marker_blocks=2),
            encoded(picture(900, 700), "JPEG", quality=30), turned(rgb, 6),
        ],
        "PNG": lambda: [
            encoded(rgb), encoded(alpha), encoded(deep), encoded(palette, transparency=3), encoded(grey),
            encoded(picture(mode="1")), encoded(picture(mode="LA")), encoded(rgb, transparency=(1, 2, 3)),
            encoded(rgb, save_all=True, append_images=[two]),
        ],
        "WEBP": lambda: [
            encoded(rgb, "WEBP"), encoded(alpha, "WEBP"), encoded(alpha, "WEBP", lossless=True),
            encoded(rgb, "WEBP", save_all=True, append_images=[two], duration=50),
            encoded(rgb, "WEBP", exif=b"Exif\0\0MM"),
        ],
        "GIF": lambda: [
            encoded(palette, "GIF"), encoded(grey, "GIF", interlace=0), encoded(palette, "GIF", transparency=2),
            encoded(palette, "GIF", save_all=True, append_images=[two], comment=b"c" * 300, loop=0),
        ],
        "TIFF": lambda: [
            encoded(rgb, "TIFF"), encoded(rgb, "TIFF", compression="tiff_lzw"), encoded(fraction, "TIFF"),
            encoded(alpha, "TIFF", compression="tiff_adobe_deflate"), encoded(deep, "TIFF"),
            encoded(rgb, "TIFF", compression="jpeg"), encoded(picture(mode="CMYK"), "TIFF", compression="packbits"),
            encoded(picture(mode="1"), "TIFF", compression="group4"),
            encoded(rgb, "TIFF", tiffinfo={322: 16, 323: 16}),
        ],
        "BMP": lambda: [
            encoded(rgb, "BMP"), encoded(alpha, "BMP"), encoded(palette, "BMP"), encoded(picture(mode="1"), "BMP"),
            encoded(grey, "BMP"),
        ],
    }  # fmt: skip
    return tuple(made[format]())


def mutated(number: int) -> tuple[str, bytes]:
    """The format and the bytes of a case."""
    draw = Random(number)
    format = draw.choice(list(CONTAINERS))
    data = draw.choice(originals(format))
    if draw.random() < 0.85:
        data = _restructured(draw, format, data)
    if draw.random() < 0.3:
        data = _damaged(draw, data)
    return format, data


def _restructured(draw: Random, format: str, data: bytes) -> bytes:
    """Change units of the file; its lengths and checksums then fit, so that decoders get past them."""
    container = CONTAINERS[format]
    parts = container.split(data)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        at = draw.randrange(len(parts))
        step = draw.random()
        if step < 0.55:
            parts[at] = _edited(draw, parts[at])
        elif step < 0.65:
            parts[at] = parts[at][: draw.randrange(len(parts[at]) + 1)]
        elif step < 0.72:
            parts[at] += draw.randbytes(draw.randrange(1, 64))
        elif step < 0.80 and len(parts) > 1:
            del parts[at]
        elif step < 0.88:
            parts.insert(draw.randrange(len(parts) + 1), parts[at])
        elif step < 0.94:
            parts.insert(at, parts.pop(draw.randrange(len(parts))))
        else:
            parts.insert(at, draw.choice(container.split(draw.choice(originals(format)))))
    return container.join(parts)


def _edited(draw: Random, part: bytes) -> bytes:
    """A few numbers of a unit replaced; most of them near its beginning, where the headers are."""
    content = bytearray(part)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        if not content:
            break
        reach = len(content) if draw.random() < 0.4 else min(len(content), 24)
        at, width = draw.randrange(reach), draw.choice((1, 1, 2, 4))
        number = draw.choice(_NUMBERS) if draw.random() < 0.6 else draw.getrandbits(32)
        order = draw.choice(("big", "little"))
        content[at : at + width] = (number % 256**width).to_bytes(width, order)
    return bytes(content)


def _damaged(draw: Random, data: bytes) -> bytes:
    """Damage that knows no units: cut off, bits turned, a piece lost, doubled or put in."""
    if not data:
        return data
    start = draw.randrange(len(data))
    end = min(len(data), start + draw.randrange(1, 200))
    return draw.choice((
        data[:start],
        data[:start] + bytes(byte ^ (1 << draw.randrange(8)) for byte in data[start : start + 3]) + data[start + 3 :],
        data[:start] + data[end:],
        data[:end] + data[start:],
        data[:start] + draw.randbytes(end - start) + data[start:],
        data + draw.randbytes(end - start),
    ))  # fmt: skip
