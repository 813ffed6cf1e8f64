"""What the frozen blocks of the vision tower make of each photo, computed once and kept in a file.

The file grows photo by photo in the order asked for; a run that was ended goes on where it stopped.
"""

from __future__ import annotations

import io
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


def photo_pixels(photo: Photo, content: bytes, spec: PixelSpec) -> Pixels:
    """The photo as the service would prepare it, in its own proportions."""
    if photo.archive == SQUEEZED:
        image = Image.open(io.BytesIO(content)).convert("RGB")
        stretched = image.resize((image.width * 3 // 4, image.height), Image.Resampling.BICUBIC)
        out = io.BytesIO()
        stretched.save(out, "BMP")
        content = out.getvalue()
    return decode_pixels(content, spec, max_mpixels=64)


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
    """Tokens of photos after the frozen blocks, float16 (photos, tokens, width), in a file of its own."""

    def __init__(self, file: Path, photos: Sequence[Photo], tokens: int, width: int) -> None:
        self._file, self._shape, self.photos = file, (len(photos), tokens, width), list(photos)
        self._done_file = file.with_suffix(".done")
        file.parent.mkdir(parents=True, exist_ok=True)
        names = "\n".join(photo.name for photo in photos)
        names_file = file.with_suffix(".names")
        if not names_file.exists() or names_file.read_text("utf-8") != names:
            self._done_file.unlink(missing_ok=True)
            np.lib.format.open_memmap(file, "w+", np.float16, self._shape).flush()
            names_file.write_text(names, "utf-8")
        self.values = np.lib.format.open_memmap(file, "r+")

    @property
    def done(self) -> int:
        """How many photos, from the first, are there."""
        return int(self._done_file.read_text()) if self._done_file.exists() else 0

    def fill(self, data: Path, vision: Any, depth: int, size: int, step: Callable[[int], None]) -> None:
        """Compute what is missing; `step` is given the number of photos done after each batch."""
        device = next(vision.parameters()).device
        spec = photo_spec(size)
        missing = self.photos[self.done :]
        batch: list[Pixels] = []
        for photo, content in read_photos(data, missing):
            batch.append(photo_pixels(photo, content, spec))
            if len(batch) == BATCH or photo is missing[-1]:
                with torch.inference_mode():
                    tokens = frozen_tokens(vision, normalised(np.stack(batch), device), depth)
                start = self.done
                self.values[start : start + len(batch)] = tokens.half().cpu().numpy()
                self.values.flush()
                self._done_file.write_text(str(start + len(batch)))
                batch = []
                step(self.done)
