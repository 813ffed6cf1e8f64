"""All that training takes from pretrained parts, computed once and kept in one small folder.

With that folder and the archives, training needs neither the pretrained parts nor a network: it can be prepared on one
machine and carried to another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from clip_runner.mini import dinov2, tower
from clip_runner.mini.archives import Photo, read_photos
from clip_runner.mini.teachers import DINOV2, MINILM, Sentences
from clip_runner.mini.views import normalised, photo_pixels, photo_spec
from clip_runner.mini.words import choose_pieces

SAMPLE = 128
"""Photos from which the direction is found in which tokens vary least."""


@dataclass(frozen=True)
class Beginning:
    """The vision tower's first weights, the word pieces, and what the sentence model takes texts to mean."""

    vision: dict[str, torch.Tensor]
    pieces: list[str]
    piece_meanings: torch.Tensor
    """float32 (pieces, 384)."""

    meanings: torch.Tensor
    """Of the corpus' texts, float32 (texts, 384)."""


def begin(
    folder: Path,
    teachers: Path,
    data: Path,
    photos: Sequence[Photo],
    texts: Sequence[str],
    words: Sequence[str],
    device: torch.device,
    note: Callable[[str], None],
) -> Beginning:
    """Read the folder, or make it from the pretrained parts where it is absent or of other photos and texts.

    Args:
        texts: the corpus, whose meaning is kept.
        words: further texts whose word pieces must be known.
    """
    first = list(photos[:SAMPLE])
    key = sha256("\n".join([*(photo.name for photo in first), *texts, "", *words]).encode()).hexdigest()
    key_file = folder / "made-for.txt"
    if not key_file.exists() or key_file.read_text("utf-8") != key:
        key_file.unlink(missing_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        note("the vision tower's beginning")
        save_file(_vision(teachers, data, first), folder / "vision.safetensors")
        pieces = choose_pieces(teachers / MINILM / "tokenizer.json", [*texts, *words])
        (folder / "pieces.txt").write_text("\n".join(pieces), "utf-8")
        note(f"the meaning of {len(texts):,} phrases and {len(pieces):,} word pieces")
        sentences = Sentences(teachers, device)
        meanings = {
            "texts": sentences.encode(texts).half(),
            "pieces": sentences.encode([piece.removeprefix("##") for piece in pieces]).half(),
        }
        save_file(meanings, folder / "meanings.safetensors")
        key_file.write_text(key, "utf-8")
    # Read back even when just made: what is kept is rounded, and every run must begin alike.
    kept = load_file(folder / "meanings.safetensors")
    return Beginning(
        vision={name: value.float() for name, value in load_file(folder / "vision.safetensors").items()},
        pieces=(folder / "pieces.txt").read_text("utf-8").split("\n"),
        piece_meanings=kept["pieces"].float(),
        meanings=kept["texts"].float(),
    )


def _vision(teachers: Path, data: Path, photos: Sequence[Photo]) -> dict[str, torch.Tensor]:
    """DINOv2 folded into the vision tower, float16: the exported model is no finer."""
    spec = photo_spec(tower.SIZE)
    pixels = np.stack([photo_pixels(photo, content, spec) for photo, content in read_photos(data, photos)])
    state = dinov2.folded(dinov2.read_weights(teachers / DINOV2), normalised(pixels, torch.device("cpu")))
    return {name: value.half().contiguous() for name, value in state.items()}
