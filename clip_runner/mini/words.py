"""The tokenizer: MiniLM's word pieces, cut to those that matter here, in CLIP's frame of start and end."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

VOCABULARY = 8192
PAD, UNKNOWN, BOS, EOS = 0, 1, 2, 3
"""CLIP's code takes an end of 2 for an old mistake in its configurations: the end is 3 here."""

SPECIAL = ("<pad>", "<unk>", "<start>", "<end>")
PREFIX = "##"


def choose_pieces(teacher_tokenizer: Path, texts: Iterable[str], size: int = VOCABULARY) -> list[str]:
    """The word pieces to keep: single characters, all that the texts use, and the teacher's most frequent ones.

    `teacher_tokenizer` is a `tokenizer.json` with a WordPiece model; BERT's pieces are in the order of their frequency.
    """
    from tokenizers import Tokenizer

    teacher = Tokenizer.from_file(str(teacher_tokenizer))
    teacher.no_padding()
    teacher.no_truncation()
    vocabulary: dict[str, int] = teacher.get_vocab()
    kept = {piece for piece in vocabulary if len(piece.removeprefix(PREFIX)) == 1 and piece.isascii()}
    for encoding in teacher.encode_batch(list(texts), add_special_tokens=False):
        kept.update(encoding.tokens)
    kept -= {"[UNK]"}
    plain = [piece for piece in sorted(vocabulary, key=vocabulary.__getitem__) if piece.isascii() and piece[0] != "["]
    for piece in plain:
        if len(kept) >= size - len(SPECIAL):
            break
        kept.add(piece)
    return sorted(kept, key=vocabulary.__getitem__)[: size - len(SPECIAL)]


def make_tokenizer(pieces: list[str], context: int) -> Any:
    """A transformers tokenizer over these pieces: lower case, no accents, `<start> ... <end>`."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {piece: number for number, piece in enumerate((*SPECIAL, *pieces))}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL[UNKNOWN], max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece(prefix=PREFIX)
    made.post_processor = processors.TemplateProcessing(
        single=f"{SPECIAL[BOS]} $A {SPECIAL[EOS]}",
        pair=f"{SPECIAL[BOS]} $A $B {SPECIAL[EOS]}",
        special_tokens=[(SPECIAL[BOS], BOS), (SPECIAL[EOS], EOS)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=context,
        pad_token=SPECIAL[PAD],
        unk_token=SPECIAL[UNKNOWN],
        bos_token=SPECIAL[BOS],
        eos_token=SPECIAL[EOS],
        model_input_names=["input_ids", "attention_mask"],
    )


def pieces_of(tokenizer_file: Path) -> list[str]:
    """The pieces of a tokenizer that `make_tokenizer` made, in their order, without the special ones."""
    vocabulary = json.loads(tokenizer_file.read_text("utf-8"))["model"]["vocab"]
    return sorted(vocabulary, key=vocabulary.__getitem__)[len(SPECIAL) :]
