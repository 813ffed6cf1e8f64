"""All photos at once, as a vision tower that is not trained any more sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clip_runner.mini import tower
from clip_runner.mini.archives import Photo, read_photos
from clip_runner.mini.batches import Sides
from clip_runner.mini.claims import Known
from clip_runner.mini.precision import faster
from clip_runner.mini.views import THREADS, normalised, photo_pixels, photo_spec

VIEWS = 2
"""As the service sees a photo, and a part of it in another light."""

BATCH = 256


@dataclass(frozen=True)
class Gallery:
    """Photos, what is known of each, and which are of a home."""

    outcomes: torch.Tensor
    """What the vision tower makes of them before the projection, float32 (VIEWS, photos, width)."""

    known: Sequence[Known]
    sides: Sides

    def drawn(self, draw: torch.Generator) -> torch.Tensor:
        """One view of each photo, (photos, width)."""
        first = torch.rand((self.outcomes.shape[1], 1), generator=draw).to(self.outcomes.device) < 0.5
        return torch.where(first, self.outcomes[0], self.outcomes[1])


def look(model: Any, data: Path, photos: Sequence[Photo], work: Path, note: Callable[[str], None]) -> torch.Tensor:
    """The photos' outcomes, float32 (VIEWS, photos, width); each view is kept in `work` once it is there."""
    digest = digest_of(model.vision_model, *(photo.name for photo in photos))
    work.mkdir(parents=True, exist_ok=True)
    device = next(model.parameters()).device
    made = []
    for view in range(VIEWS):
        file = work / f"gallery-{digest}-{view}.npy"
        if not file.exists():
            beside = file.with_suffix(".part.npy")
            np.save(beside, _looked_at(model, data, photos, view, note))
            beside.replace(file)
        made.append(torch.from_numpy(np.load(file)))
    return torch.stack(made).to(device)


@torch.inference_mode()
def _looked_at(
    model: Any, data: Path, photos: Sequence[Photo], view: int, note: Callable[[str], None]
) -> NDArray[np.float32]:
    device, spec = next(model.parameters()).device, photo_spec(tower.SIZE)
    contents, made, done = read_photos(data, photos), [], 0
    with ThreadPoolExecutor(THREADS) as pool:
        while part := list(islice(contents, BATCH)):
            pixels = np.stack(list(pool.map(lambda each: photo_pixels(each[0], each[1], spec, view), part)))
            with faster(device):
                tokens = tower.tokens_after(model, normalised(pixels, device), 0)
                made.append(tower.pooled(model, tokens, 0).float().cpu().numpy())
            done += len(part)
            note(f"looking at all photos, view {view + 1} of {VIEWS}: {done:,} of {len(photos):,}")
    return np.concatenate(made)


def digest_of(model: Any, *words: str) -> str:
    """Sixteen hexadecimal digits that tell a module's weights, and words beside them, from others."""
    digest = sha256("\n".join(words).encode())
    for value in model.state_dict().values():
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
