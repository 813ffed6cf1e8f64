"""Texts to padded tokens: sorted by length, so that short texts do not pay for long ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


def groups(ids: Sequence[NDArray[np.int64]]) -> Iterator[list[int]]:
    """The texts' indices, shortest texts first, in groups of like length."""
    group: list[int] = []
    for index in sorted(range(len(ids)), key=lambda number: len(ids[number])):
        if len(group) >= _GROUP and len(ids[index]) > _LONGER * len(ids[group[0]]):
            yield group
            group = []
        group.append(index)
    if group:
        yield group


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
