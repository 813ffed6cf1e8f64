"""Which photos show the same thing: nearly equal pictures, found by a gradient hash and confirmed by their colours."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 16
HASH_BYTES = SIDE * SIDE // 8

MAX_BITS = 12
"""Of 256 bits, how many may differ."""

MAX_RMS = 7.0
"""Largest root mean square difference of the thumbnails, in grey levels of 255."""

_ROWS = 512


def fingerprint(photo: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A photo's hash, uint8 (32,), and its thumbnail, uint8 (16, 16, 3).

    The hash has a bit for each pair of neighbours in a row of 17 grey pixels: which of the two is brighter
    (a difference hash, after N. Krawetz).
    """
    image = Image.open(io.BytesIO(photo)).convert("RGB")
    grey = np.asarray(image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BOX), np.int16)
    # A plain background has no gradient: without a threshold its bits would be noise.
    bits = np.packbits(grey[:, 1:] - grey[:, :-1] > 2)
    return bits, np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), np.uint8)


def pairs(hashes: NDArray[np.uint8], thumbnails: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """The near-duplicates among n photos, each pair (i < j) once; hashes (n, 32), thumbnails (n, 16, 16, 3)."""
    words = np.ascontiguousarray(hashes).view(np.uint64)
    colours = thumbnails.reshape(len(thumbnails), -1)
    for start in range(0, len(words), _ROWS):
        rows = words[start : start + _ROWS]
        bits = np.zeros((len(rows), len(words) - start), np.uint16)
        for column in range(words.shape[1]):
            bits += np.bitwise_count(rows[:, column, None] ^ words[None, start:, column])
        first, second = np.nonzero(bits <= MAX_BITS)
        first, second = first + start, second + start
        later = second > first
        yield from _alike(first[later], second[later], colours)


def _alike(first: NDArray[np.intp], second: NDArray[np.intp], colours: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    for start in range(0, len(first), 8192):
        one, other = first[start : start + 8192], second[start : start + 8192]
        difference = colours[one].astype(np.float32) - colours[other]
        close = np.sqrt((difference**2).mean(axis=1)) <= MAX_RMS
        yield from zip(one[close].tolist(), other[close].tolist(), strict=True)


def groups(count: int, linked: Iterator[tuple[int, int]] | Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """The group of each of `count` things, int64 (count,): the least index it is linked to, directly or not."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for one, other in linked:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    return np.array([root(index) for index in range(count)], np.int64)
