"""What the frozen blocks of the vision tower make of each photo, computed once and kept in a file.

The file grows photo by photo in the order asked for; a run that was ended goes on where it stopped.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from clip_runner.mini.archives import Photo, read_photos
from clip_runner.mini.dinov2 import MEAN, STD
from clip_runner.pixels import PixelSpec, decode_pixels

SQUEEZED = "shop224"
"""The archive whose 3:4 photos were squeezed to a square."""

BATCH = 64

Pixels = NDArray[np.uint8]


def photo_spec(size: int) -> PixelSpec:
    """The short side scaled to `size`, the centre cut out: measured better than stretching or padding."""
    return PixelSpec(size, size, size, int(Image.Resampling.BICUBIC))


def photo_pixels(photo: Photo, content: bytes, spec: PixelSpec, view: int = 0) -> Pixels:
    """The photo as the service would prepare it, in its own proportions; as `view` 1 and on, a part of it, mirrored or
    not, the same whenever it is asked for."""
    if photo.archive == SQUEEZED or view > 0:
        image = Image.open(io.BytesIO(content)).convert("RGB")
        if photo.archive == SQUEEZED:
            image = image.resize((image.width * 3 // 4, image.height), Image.Resampling.BICUBIC)
        out = io.BytesIO()
        _seen(image, random.Random(f"{photo.name} {view}") if view else None).save(out, "BMP")
        content = out.getvalue()
    return decode_pixels(content, spec, max_mpixels=64)


def _seen(image: Image.Image, draw: random.Random | None) -> Image.Image:
    """The whole picture; with a generator, four fifths of each side or more, half of the time mirrored."""
    if draw is None:
        return image
    width, height = (round(side * draw.uniform(0.8, 1)) for side in image.size)
    left, top = draw.randint(0, image.width - width), draw.randint(0, image.height - height)
    part = image.crop((left, top, left + width, top + height))
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draw.random() < 0.5 else part


def normalised(pixels: Pixels, device: torch.device) -> torch.Tensor:
    """Photos uint8 (n, size, size, 3) as the vision tower takes them: float32 (n, 3, size, size)."""
    values = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(value, device=device).view(1, 3, 1, 1) for value in (MEAN, STD))
    return (values - mean) / std


def frozen_tokens(vision: Any, pixel_values: torch.Tensor, depth: int) -> torch.Tensor:
    """Tokens after the first `depth` blocks of a CLIPVisionModel, (n, tokens, width)."""
    hidden = vision.pre_layrnorm(vision.embeddings(pixel_values))
    for block in vision.encoder.layers[:depth]:
        hidden = block(hidden, attention_mask=None)
    return torch.as_tensor(hidden)


class Activations:
    """Tokens of photos after the frozen blocks, float16 (photos * views, tokens, width), in a file of its own.

    The views of the photo with number n have the numbers n * views and on.
    """

    def __init__(self, file: Path, photos: Sequence[Photo], views: int, depth: int, shape: tuple[int, int]) -> None:
        self._photos, self._views, self._depth = list(photos), views, depth
        self._done_file, key_file = file.with_suffix(".done"), file.with_suffix(".key")
        file.parent.mkdir(parents=True, exist_ok=True)
        self.key = "\n".join([f"{views} views, {depth} blocks", *(photo.name for photo in photos)])
        if not key_file.exists() or key_file.read_text("utf-8") != self.key:
            self._done_file.unlink(missing_ok=True)
            np.lib.format.open_memmap(file, "w+", np.float16, (len(photos) * views, *shape)).flush()
            key_file.write_text(self.key, "utf-8")
        self.values = np.lib.format.open_memmap(file, "r+")

    @property
    def done(self) -> int:
        """How many rows, from the first, are there."""
        return int(self._done_file.read_text()) if self._done_file.exists() else 0

    def fill(self, data: Path, vision: Any, size: int, step: Callable[[int], None]) -> None:
        """Compute what is missing; `step` is given the number of rows done after each batch."""
        device = next(vision.parameters()).device
        spec = photo_spec(size)
        done = self.done
        missing = self._photos[done // self._views :]
        batch: list[Pixels] = []
        for photo, content in read_photos(data, missing):
            batch += [photo_pixels(photo, content, spec, view) for view in range(self._views)]
            if len(batch) >= BATCH or photo is missing[-1]:
                with torch.inference_mode():
                    tokens = frozen_tokens(vision, normalised(np.stack(batch), device), self._depth)
                self.values[done : done + len(batch)] = tokens.half().cpu().numpy()
                self.values.flush()
                done += len(batch)
                self._done_file.write_text(str(done))
                batch = []
                step(done)
