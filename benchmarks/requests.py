"""What is sent: photos and texts as requests of the public API."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from itertools import cycle, islice, product
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image
from urllib3 import encode_multipart_formdata

from benchmarks.connections import Request

T = TypeVar("T")

SAMPLE = Path(__file__).resolve().parent.parent / "local" / "sample" / "images"

_COLOURS = ("black", "navy blue", "burgundy", "olive green", "beige", "white", "grey melange", "light pink")
_KINDS = ("corduroy jacket", "summer dress with buttons", "running shoes", "denim jeans", "wool coat", "leather belt",
          "knitted jumper with a round neck", "striped t-shirt")  # fmt: skip
_PEOPLE = ("for women", "for men", "for kids")


def texts() -> list[str]:
    """192 descriptions of 4 to 14 tokens, the usual length of a search."""
    return [f"{colour} {kind} {people}" for kind, people, colour in product(_KINDS, _PEOPLE, _COLOURS)]


def photos(folder: Path | None, size: tuple[int, int] | None, count: int) -> list[bytes]:
    """`count` photos as JPEG files: those of a folder (the sample's), or larger ones made of them.

    Args:
        folder: JPEG files; None: the sample catalogue's.
        size: width and height of a portrait photo, None: as they are.
        count: how many.
    """
    files = sorted((folder or SAMPLE).rglob("*.jpg"))
    if not files:
        raise SystemExit(f"{folder}: there are no *.jpg files in this folder")
    chosen = list(islice(cycle(files), count))
    if size is None:
        return [file.read_bytes() for file in chosen]
    random = np.random.default_rng(0)
    return [_enlarged(file, size, random) for file in chosen]


def _enlarged(file: Path, size: tuple[int, int], random: np.random.Generator) -> bytes:
    """A larger photo: with noise, since an enlarged one alone would be as easy to decode as a small one."""
    with Image.open(file) as small:
        large = np.asarray(small.convert("RGB").resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
    large += random.integers(-6, 7, (size[1], size[0], 1), dtype=np.int16)
    stream = io.BytesIO()
    Image.fromarray(large.clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def text_requests(each: int) -> list[Request]:
    """`/encode_text` with so many texts a request."""
    return [
        Request("/encode_text", json.dumps(group).encode(), "application/json", len(group))
        for group in _groups(texts(), each)
    ]


def photo_requests(files: Sequence[bytes], each: int) -> list[Request]:
    """`/encode_image` with so many photos a request."""
    made = []
    for group in _groups(files, each):
        parts = [("files", (f"{number}.jpg", content, "image/jpeg")) for number, content in enumerate(group)]
        body, content_type = encode_multipart_formdata(parts)
        made.append(Request("/encode_image", body, content_type, len(group)))
    return made


def search_requests() -> list[Request]:
    """`/search-image` by words, nine results."""
    return [Request("/search-image", json.dumps({"query": text}).encode(), "application/json") for text in texts()]


def _groups(things: Sequence[T], each: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(things) - each + 1, each):
        yield things[start : start + each]
