"""From the archives and the pretrained parts to a model to train and the material to train it on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clip_runner.mini import dinov2, tower
from clip_runner.mini.activations import Activations
from clip_runner.mini.archives import Photo, read_manifest
from clip_runner.mini.batches import Batches
from clip_runner.mini.beginning import Beginning, begin
from clip_runner.mini.captions import Captions, corpus
from clip_runner.mini.claims import Known, know
from clip_runner.mini.lexicon import Lexicon, read_lexicon
from clip_runner.mini.plan import Plan
from clip_runner.mini.selection import label_of, select, usable
from clip_runner.mini.training import Material
from clip_runner.mini.words import SPECIAL, make_tokenizer

Note = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A model that has begun with its pretrained parts, its tokenizer, and its material."""

    model: Any
    tokenizer: Any
    material: Material


@dataclass(frozen=True)
class Gathered:
    """What is trained on, and what it begins with, before any photo is looked at."""

    photos: list[Photo]
    known: list[Known]
    lexicon: Lexicon
    captions: Captions
    texts: list[str]
    beginning: Beginning


def gather(data: Path, teachers: Path, work: Path, plan: Plan, device: torch.device, note: Note) -> Gathered:
    """Choose photos and texts, and make or find the beginning in `work`."""
    train, held_out = usable(read_manifest(data))
    lexicon = read_lexicon({label_of(photo) for photo in (*train, *held_out)})
    photos = select(train, plan.photos, plan.seed)
    known, captions = know(photos, lexicon), Captions(lexicon)
    texts = corpus(captions, [photo.title for photo in known], plan.corpus, plan.seed)
    beginning = begin(work / "beginning", teachers, data, photos, texts, _said(lexicon), device, note)
    return Gathered(photos, known, lexicon, captions, texts, beginning)


def prepare(data: Path, teachers: Path, work: Path, plan: Plan, device: torch.device, note: Note) -> Prepared:
    """Make or find in `work` all that training needs; what was begun there is gone on with."""
    gathered = gather(data, teachers, work, plan, device, note)
    beginning = gathered.beginning
    tokenizer = make_tokenizer(beginning.pieces, tower.CONTEXT)
    model = tower.new_model(len(beginning.pieces) + len(SPECIAL), plan.seed).eval().to(device)
    model.vision_model.load_state_dict(beginning.vision, strict=False)
    start_words(model, beginning.piece_meanings)
    tokens = (tower.SIZE // dinov2.PATCH) ** 2 + 1
    activations = Activations(work / "photos.npy", gathered.photos, plan.views, plan.frozen, (tokens, dinov2.WIDTH))
    wanted = len(activations.values)
    activations.fill(data, model.vision_model, tower.SIZE, lambda done: note(f"photos {done:,} of {wanted:,}"))
    note("what the locked vision tower makes of them")
    outcomes = _kept(work / "outcomes.npy", activations.key, lambda: _outcomes(model, activations.values, plan.frozen))
    material = Material(
        activations.values,
        outcomes,
        gathered.known,
        gathered.lexicon,
        gathered.texts,
        beginning.meanings,
        Batches(gathered.known, gathered.lexicon, gathered.captions, len(gathered.texts), plan),
    )
    return Prepared(model, tokenizer, material)


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
def _outcomes(model: Any, tokens: NDArray[np.float16], frozen: int) -> NDArray[np.float32]:
    device = next(model.parameters()).device
    made = [
        tower.pooled(model, torch.from_numpy(tokens[start : start + 256]).to(device).float(), frozen).cpu().numpy()
        for start in range(0, len(tokens), 256)
    ]
    return np.concatenate(made)


def _kept(file: Path, key: str, make: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """An array that is computed once and kept in a file, as long as it is for the same key."""
    key_file = file.with_suffix(".key")
    if key_file.exists() and key_file.read_text("utf-8") == key:
        kept: NDArray[np.float32] = np.load(file)
        return kept
    made = make()
    np.save(file, made)
    key_file.write_text(key, "utf-8")
    return made
