"""Photos at training size, each in several views, made once and kept in a file.

The file grows photo by photo in the order asked for; a run that was ended goes on where it stopped.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from clip_runner.mini.archives import Photo, read_photos
from clip_runner.mini.dinov2 import MEAN, STD
from clip_runner.pixels import PixelSpec, decode_pixels

SQUEEZED = "shop224"
"""The archive whose 3:4 photos were squeezed to a square."""

BATCH = 256
THREADS = 2

Pixels = NDArray[np.uint8]


def photo_spec(size: int) -> PixelSpec:
    """The short side scaled to `size`, the centre cut out: measured better than stretching or padding."""
    return PixelSpec(size, size, size, int(Image.Resampling.BICUBIC))


def photo_pixels(photo: Photo, content: bytes, spec: PixelSpec, view: int = 0) -> Pixels:
    """The photo as the service would prepare it, in its own proportions; as `view` 1 and on, a part of it in another
    light, mirrored or not, the same whenever it is asked for."""
    if photo.archive == SQUEEZED or view > 0:
        image = Image.open(io.BytesIO(content)).convert("RGB")
        if photo.archive == SQUEEZED:
            image = image.resize((image.width * 3 // 4, image.height), Image.Resampling.BICUBIC)
        out = io.BytesIO()
        _seen(image, random.Random(f"{photo.name} {view}") if view else None).save(out, "BMP")
        content = out.getvalue()
    return decode_pixels(content, spec, max_mpixels=64)


def _seen(image: Image.Image, draw: random.Random | None) -> Image.Image:
    """The whole picture; with a generator, seven tenths of each side or more, brighter or darker, with more or less
    contrast, half of the time mirrored. The hue stays: colours are to be learnt."""
    if draw is None:
        return image
    width, height = (round(side * draw.uniform(0.7, 1)) for side in image.size)
    left, top = draw.randint(0, image.width - width), draw.randint(0, image.height - height)
    part = image.crop((left, top, left + width, top + height))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast):
        part = enhance(part).enhance(draw.uniform(0.85, 1.15))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draw.random() < 0.5 else part


def normalised(pixels: Pixels, device: torch.device) -> torch.Tensor:
    """Photos uint8 (n, size, size, 3) as the vision tower takes them: float32 (n, 3, size, size)."""
    values = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(value, device=device).view(1, 3, 1, 1) for value in (MEAN, STD))
    return (values - mean) / std


class Views:
    """Photos as uint8 (photos * views, size, size, 3), in a file of its own.

    The views of the photo with number n have the numbers n * views and on.
    """

    def __init__(self, file: Path, photos: Sequence[Photo], views: int, size: int) -> None:
        self._photos, self._views, self._size = list(photos), views, size
        self._done_file, key_file = file.with_suffix(".done"), file.with_suffix(".key")
        file.parent.mkdir(parents=True, exist_ok=True)
        self.key = "\n".join([f"{views} views of {size} pixels", *(photo.name for photo in photos)])
        if not (file.exists() and key_file.exists()) or key_file.read_text("utf-8") != self.key:
            self._done_file.unlink(missing_ok=True)
            np.lib.format.open_memmap(file, "w+", np.uint8, (len(photos) * views, size, size, 3)).flush()
            key_file.write_text(self.key, "utf-8")
        self.values = np.lib.format.open_memmap(file, "r+")

    @property
    def done(self) -> int:
        """How many rows, from the first, are there."""
        return int(self._done_file.read_text()) if self._done_file.exists() else 0

    def fill(self, data: Path, step: Callable[[int], None]) -> None:
        """Make what is missing; `step` is given the number of rows done after each batch."""
        spec = photo_spec(self._size)
        done = self.done
        missing = list(read_photos(data, self._photos[done // self._views :])) if done < len(self.values) else []
        with ThreadPoolExecutor(THREADS) as pool:
            for start in range(0, len(missing), BATCH):
                part = missing[start : start + BATCH]
                asked = [(photo, content, spec, view) for photo, content in part for view in range(self._views)]
                made = np.stack(list(pool.map(lambda each: photo_pixels(*each), asked)))
                self.values[done : done + len(made)] = made
                self.values.flush()
                done += len(made)
                self._done_file.write_text(str(done))
                step(done)
