"""Which passes are shared among threads, and that sharing changes no order."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clip_runner.backends.threads import Plan, Threads

WIDE = SimpleNamespace(hidden_size=768, intermediate_size=3072)  # ViT-B/32's photos
NARROW = SimpleNamespace(hidden_size=256, intermediate_size=1024)  # the bundled model's texts
PATCHES, TOKENS = 50, 10


@pytest.mark.parametrize(
    ("config", "items", "rows_each", "most", "plan"),
    [
        (NARROW, 1, TOKENS, 2, Plan(1, 1)),
        (NARROW, 8, TOKENS, 2, Plan(1, 1)),
        (NARROW, 16, TOKENS, 2, Plan(2, 1)),
        (NARROW, 128, TOKENS, 16, Plan(16, 1)),
        (WIDE, 1, PATCHES, 2, Plan(1, 2)),
        (WIDE, 2, PATCHES, 2, Plan(2, 2 // 2)),
        (WIDE, 3, PATCHES, 2, Plan(1, 2)),
        (WIDE, 5, PATCHES, 2, Plan(2, 1)),
        (WIDE, 4, PATCHES, 16, Plan(4, 4)),
        (WIDE, 16, PATCHES, 1, Plan(1, 1)),
        (SimpleNamespace(), 16, PATCHES, 2, Plan(1, 2)),
        (None, 1, 1, 2, Plan(1, 2)),
    ],
)
def test_a_batch_goes_in_parts_and_one_large_item_is_shared(
    config: object, items: int, rows_each: int, most: int, plan: Plan
) -> None:
    assert Threads(most, config).plan(items, items * rows_each) == plan


def test_parts_come_back_in_order_from_threads_of_their_own() -> None:
    used: set[tuple[int, int]] = set()
    together = threading.Barrier(3, timeout=10)

    def forward(part: slice) -> NDArray[np.float32]:
        together.wait()  # ends in an error unless all three are under way at once
        used.add((threading.get_ident(), torch.get_num_threads()))
        return np.arange(part.start, part.stop, dtype=np.float32)[:, None]

    assert Threads(3, WIDE).run(8, 8 * PATCHES, forward).ravel().tolist() == list(range(8))
    assert len(used) == 3
    assert {threads for _, threads in used} == {1}


def test_one_part_is_computed_where_it_is_asked_for() -> None:
    def forward(part: slice) -> NDArray[np.float32]:
        assert (part.start, part.stop) == (0, 1)
        return np.array([[threading.get_ident()]], np.float64).astype(np.float32)

    here = np.float32(threading.get_ident())
    assert Threads(2, NARROW).run(1, TOKENS, forward)[0, 0] == here


def test_the_error_of_a_part_is_the_passs() -> None:
    def forward(part: slice) -> NDArray[np.float32]:
        if part.start:
            raise MemoryError("the second half")
        return np.zeros((part.stop, 1), np.float32)

    with pytest.raises(MemoryError, match="the second half"):
        Threads(2, WIDE).run(8, 8 * PATCHES, forward)
