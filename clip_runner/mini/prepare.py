"""From the archives and the pretrained parts to a model to train and the material to train it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clip_runner.mini import tower
from clip_runner.mini.archives import Photo, read_manifest
from clip_runner.mini.batches import Batches
from clip_runner.mini.beginning import Beginning, begin
from clip_runner.mini.captions import Captions, corpus
from clip_runner.mini.claims import know
from clip_runner.mini.colours import measure_colours
from clip_runner.mini.lexicon import Lexicon, read_lexicon
from clip_runner.mini.plan import Plan
from clip_runner.mini.precision import faster
from clip_runner.mini.selection import label_of, select, usable
from clip_runner.mini.training import Material
from clip_runner.mini.views import Views, normalised
from clip_runner.mini.words import SPECIAL, make_tokenizer

Note = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A model that has begun with its pretrained parts, its tokenizer, its material, and the photos in that."""

    photos: list[Photo]
    model: Any
    tokenizer: Any
    material: Material


@dataclass(frozen=True)
class Gathered:
    """What is trained on, and what it begins with, before any photo is looked at."""

    photos: list[Photo]
    lexicon: Lexicon
    captions: Captions
    texts: list[str]
    beginning: Beginning


def gather(data: Path, teachers: Path, work: Path, plan: Plan, device: torch.device, note: Note) -> Gathered:
    """Choose photos and texts, and make or find the beginning in `work`."""
    train, held_out = usable(read_manifest(data))
    lexicon = read_lexicon({label_of(photo) for photo in (*train, *held_out)})
    photos = select(train, plan.photos, plan.seed)
    captions = Captions(lexicon)
    texts = corpus(captions, [each.title for each in know(photos, lexicon)], plan.corpus, plan.seed)
    beginning = begin(work / "beginning", teachers, data, photos, texts, _said(lexicon), device, note)
    return Gathered(photos, lexicon, captions, texts, beginning)


def prepare(data: Path, teachers: Path, work: Path, plan: Plan, device: torch.device, note: Note) -> Prepared:
    """Make or find in `work` all that training needs; what was begun there is gone on with."""
    gathered = gather(data, teachers, work, plan, device, note)
    beginning = gathered.beginning
    tokenizer = make_tokenizer(beginning.pieces, tower.CONTEXT)
    model = tower.new_model(len(beginning.pieces) + len(SPECIAL), plan.seed).eval().to(device)
    model.vision_model.load_state_dict(beginning.vision, strict=False)
    start_words(model, beginning.piece_meanings)
    views = Views(work / "photos.npy", gathered.photos, plan.views, tower.SIZE)
    views.fill(data, lambda done: note(f"views of photos: {done:,} of {len(views.values):,}"))
    whole = views.values[:: plan.views]
    note("colours of photos that carry none")
    colours = _kept(work / "colours.npy", views.key, lambda: measure_colours(gathered.photos, whole, plan.seed))
    known = know(gathered.photos, gathered.lexicon, colours)
    looked = f"{plan.looked} of {views.key}"
    outcomes = _kept(work / "outcomes.npy", looked, lambda: _outcomes(model, whole[: plan.looked], note))
    material = Material(
        views.values,
        outcomes,
        known,
        gathered.lexicon,
        gathered.texts,
        beginning.meanings,
        Batches(known, gathered.lexicon, gathered.captions, len(gathered.texts), plan),
    )
    return Prepared(gathered.photos, model, tokenizer, material)


def start_words(model: Any, meanings: torch.Tensor) -> None:
    """Let the text tower's word embeddings begin with what the sentence model takes each word piece to mean."""
    vectors = meanings.double()
    centred = vectors - vectors.mean(dim=0)
    # The principal directions keep most of what tells words apart; signs are fixed, so that a run can be repeated.
    directions = torch.linalg.eigh(centred.T @ centred)[1].flip(1)[:, : tower.TEXT_WIDTH]
    largest = directions.abs().argmax(dim=0)
    directions = directions * directions.gather(0, largest[None]).sign()
    made = centred @ directions
    embedding = model.text_model.embeddings.token_embedding.weight
    with torch.no_grad():
        scale = 0.02 / made.std()
        embedding[len(SPECIAL) :] = (made * scale).to(embedding)


def _said(lexicon: Lexicon) -> list[str]:
    """Every word of the lexicon."""
    texts = [text for concept in lexicon.concepts for text in (*concept.words, *concept.says)]
    groups = (*lexicon.colour_words, *lexicon.wearer_words, *lexicon.phrases.values())
    return texts + [word for group in groups for word in group]


@torch.inference_mode()
def _outcomes(model: Any, pixels: NDArray[np.uint8], note: Note) -> NDArray[np.float32]:
    device = next(model.parameters()).device
    made = []
    for start in range(0, len(pixels), 128):
        with faster(device):
            tokens = tower.tokens_after(model, normalised(pixels[start : start + 128], device), 0)
            made.append(tower.pooled(model, tokens, 0).float().cpu().numpy())
        note(f"what the locked vision tower makes of the photos: {start:,} of {len(pixels):,}")
    return np.concatenate(made)


def _kept(file: Path, key: str, make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """An array that is computed once and kept in a file, as long as it is for the same key."""
    key_file = file.with_suffix(".key")
    if key_file.exists() and key_file.read_text("utf-8") == key:
        kept: NDArray[Any] = np.load(file)
        return kept
    made = make()
    np.save(file, made)
    key_file.write_text(key, "utf-8")
    return made
