"""From the archives and the pretrained parts to a model to train and the material to train it on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clip_runner.mini import dinov2, tower
from clip_runner.mini.activations import Activations, normalised, photo_pixels, photo_spec
from clip_runner.mini.archives import read_manifest, read_photos
from clip_runner.mini.batches import Batches
from clip_runner.mini.captions import Captions, corpus
from clip_runner.mini.claims import know
from clip_runner.mini.lexicon import Lexicon, read_lexicon
from clip_runner.mini.plan import Plan
from clip_runner.mini.selection import label_of, select, usable
from clip_runner.mini.teachers import DINOV2, MINILM, Sentences
from clip_runner.mini.training import Material
from clip_runner.mini.words import SPECIAL, choose_pieces, make_tokenizer

SAMPLE = 128
"""Photos from which the direction is found in which tokens vary least."""

Note = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A model that has begun with its pretrained parts, its tokenizer, and its material."""

    model: Any
    tokenizer: Any
    material: Material


def prepare(data: Path, teachers: Path, work: Path, plan: Plan, device: torch.device, note: Note) -> Prepared:
    """Make or find in `work` all that training needs; what was begun there is gone on with."""
    train, held_out = usable(read_manifest(data))
    lexicon = read_lexicon({label_of(photo) for photo in (*train, *held_out)})
    photos = select(train, plan.photos, plan.seed)
    known, captions = know(photos, lexicon), Captions(lexicon)
    texts = corpus(captions, [photo.title for photo in known], plan.corpus, plan.seed)
    pieces = choose_pieces(teachers / MINILM / "tokenizer.json", [*texts, *_said(lexicon)])
    tokenizer = make_tokenizer(pieces, tower.CONTEXT)
    model = tower.new_model(len(pieces) + len(SPECIAL), plan.seed).eval().to(device)
    spec = photo_spec(tower.SIZE)
    first = np.stack([photo_pixels(photo, content, spec) for photo, content in read_photos(data, photos[:SAMPLE])])
    tower.set_vision(model, dinov2.read_weights(teachers / DINOV2), normalised(first, torch.device("cpu")))
    tokens = (tower.SIZE // dinov2.PATCH) ** 2 + 1
    activations = Activations(work / "photos.npy", photos, tokens, dinov2.WIDTH)
    activations.fill(
        data, model.vision_model, plan.frozen, tower.SIZE, lambda done: note(f"photos {done:,} of {len(photos):,}")
    )
    note("what the locked vision tower makes of them")
    outcomes = _kept(
        work / "outcomes.npy",
        [photo.name for photo in photos],
        lambda: _outcomes(model, activations.values, plan.frozen),
    )
    note(f"the meaning of {len(texts):,} phrases")
    sentences = Sentences(teachers, device)
    meanings = _kept(work / "meanings.npy", texts, lambda: sentences.encode(texts).numpy())
    start_words(model, _kept(work / "pieces.npy", pieces, lambda: sentences.encode(spelt(pieces)).numpy()))
    material = Material(
        activations.values,
        outcomes,
        known,
        lexicon,
        texts,
        torch.from_numpy(meanings),
        Batches(known, lexicon, captions, len(texts), plan),
    )
    return Prepared(model, tokenizer, material)


def spelt(pieces: Sequence[str]) -> list[str]:
    """Word pieces as texts."""
    return [piece.removeprefix("##") for piece in pieces]


def start_words(model: Any, meanings: NDArray[np.float32]) -> None:
    """Let the text tower's word embeddings begin with what the sentence model takes each word piece to mean."""
    vectors = torch.from_numpy(meanings).double()
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


def _kept(file: Path, things: Sequence[str], make: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    """An array with a row for each of these things, computed once and kept in a file."""
    names = "\n".join(things)
    names_file = file.with_suffix(".names")
    if names_file.exists() and names_file.read_text("utf-8") == names:
        kept: NDArray[np.float32] = np.load(file)
        return kept
    made = make()
    np.save(file, made)
    names_file.write_text(names, "utf-8")
    return made
