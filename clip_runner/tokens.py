"""Texts to padded tokens, in parts and groups of like length, so that short texts do not pay for long ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip_runner.backends.interface import Tokens

# A group is closed once it holds this many texts and the next one is longer by the factor: fewer would leave the
# processor's vector units half empty, which costs more than the padding.
_GROUP = 16
_LONGER = 1.25


def tokenise(
    tokenizer: Any, texts: Sequence[str], context: int, *, to_full_length: bool
) -> tuple[list[NDArray[np.int64]], NDArray[np.bool_]]:
    """Each text's token ids, cut to the context, and whether it was cut.

    Args:
        tokenizer: a fast transformers tokenizer.
        texts: at least one.
        context: most tokens of a text.
        to_full_length: whether the model was trained on texts padded to its context (SigLIP).
    """
    padding = "max_length" if to_full_length else False
    found = tokenizer(list(texts), truncation=True, max_length=context, padding=padding)
    cut = np.array([bool(encoding.overflowing) for encoding in found.encodings])
    return [np.asarray(ids, np.int64) for ids in found["input_ids"]], cut


def shares(ids: Sequence[NDArray[np.int64]], parts: int) -> list[Sequence[NDArray[np.int64]]]:
    """Texts by rising length, cut into at most so many parts of about as many tokens each."""
    tokens = np.cumsum([len(text) for text in ids])
    wanted = tokens[-1] * np.arange(1, parts) / parts
    ends = np.abs(tokens[:, None] - wanted).argmin(axis=0) + 1
    cuts = [0, *ends.tolist(), len(ids)]
    return [ids[start:end] for start, end in pairwise(cuts) if start < end]


def groups(ids: Sequence[NDArray[np.int64]]) -> Iterator[Sequence[NDArray[np.int64]]]:
    """Texts by rising length, cut into groups of like length."""
    start = 0
    for end in range(len(ids)):
        if end - start >= _GROUP and len(ids[end]) > _LONGER * len(ids[start]):
            yield ids[start:end]
            start = end
    yield ids[start:]


def padded(ids: Sequence[NDArray[np.int64]], tokenizer: Any, length: int = 0) -> Tokens:
    """A batch as the model takes it, padded to its longest text, or to `length` where that is more."""
    length = max(length, *map(len, ids))
    batch = np.full((len(ids), length), tokenizer.pad_token_id, np.int64)
    mask = np.zeros((len(ids), length), np.int64)
    for row, marks, text in zip(batch, mask, ids, strict=True):
        row[: len(text)] = text
        marks[: len(text)] = 1
    if not masks(tokenizer):
        return {"input_ids": batch}
    return {"input_ids": batch, "attention_mask": mask}


def masks(tokenizer: Any) -> bool:
    """Whether its model is told which tokens are padding; without that, a text's length is part of its meaning."""
    return "attention_mask" in tokenizer.model_input_names
