"""Which passes are shared among threads, and that sharing changes no order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clip_runner.backends.threads import Plan, Threads, even, workers

WIDE = SimpleNamespace(hidden_size=768, intermediate_size=3072)  # ViT-B/32's photos
NARROW = SimpleNamespace(hidden_size=256, intermediate_size=1024)  # the bundled model's texts
PATCHES, TOKENS = 50, 10


TEXTS_OF_WIDE = SimpleNamespace(hidden_size=512, intermediate_size=2048)


@pytest.mark.parametrize(
    ("config", "items", "rows_each", "most", "plan"),
    [
        (NARROW, 1, TOKENS, 2, Plan(1, 1)),
        (NARROW, 8, TOKENS, 2, Plan(1, 1)),
        (NARROW, 16, TOKENS, 2, Plan(2, 1)),
        (NARROW, 128, TOKENS, 16, Plan(16, 1)),
        (TEXTS_OF_WIDE, 3, 2 * TOKENS, 2, Plan(2, 1)),
        (WIDE, 1, PATCHES, 2, Plan(1, 2)),
        (WIDE, 2, PATCHES, 2, Plan(2, 1)),
        (WIDE, 3, PATCHES, 2, Plan(1, 2)),  # two parts would take as long as for four
        (WIDE, 6, PATCHES, 2, Plan(2, 1)),
        (WIDE, 4, PATCHES, 16, Plan(4, 4)),
        (WIDE, 9, PATCHES, 16, Plan(3, 5)),  # nine parts would leave seven processors idle
        (WIDE, 16, PATCHES, 16, Plan(16, 1)),
        (WIDE, 17, PATCHES, 16, Plan(4, 4)),
        (WIDE, 16, PATCHES, 1, Plan(1, 1)),
        (SimpleNamespace(), 16, PATCHES, 2, Plan(1, 2)),
        (None, 1, 1, 2, Plan(1, 2)),
    ],
)
def test_a_batch_goes_in_parts_and_one_large_item_is_shared(
    config: object, items: int, rows_each: int, most: int, plan: Plan
) -> None:
    assert Threads(workers(most), config).plan(items, items * rows_each) == plan


def beside(threads: Threads, items: int, forward: Callable[[slice], NDArray[np.float32]]) -> NDArray[np.float32]:
    """As a backend does it with photos."""
    rows = items * PATCHES
    return threads.beside([partial(forward, part) for part in even(items, threads.plan(items, rows).parts)], rows)


@pytest.fixture
def other_threads() -> Iterator[None]:
    """New threads begin with the number that was set last, in any thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("other_threads")
def test_parts_come_back_in_order_from_threads_of_their_own() -> None:
    used: list[tuple[str, int]] = []
    together = threading.Barrier(2, timeout=10)

    def forward(part: slice) -> NDArray[np.float32]:
        together.wait()  # ends in an error unless both are under way at once
        used.append((threading.current_thread().name, torch.get_num_threads()))
        return np.arange(part.start, part.stop, dtype=np.float32)[:, None]

    shared = Threads(workers(2), WIDE)
    for _ in range(2):
        assert beside(shared, 7, forward).ravel().tolist() == list(range(7))
    assert sorted(used) == [("part-0_0", 1), ("part-0_0", 1), ("part-1_0", 1), ("part-1_0", 1)]


@pytest.mark.usefixtures("other_threads")
@pytest.mark.parametrize(("config", "threads", "where"), [(NARROW, 1, "asker_0"), (WIDE, 2, "part-0_0")])
def test_one_part_is_computed_where_it_is_asked_for_unless_threads_share_it(
    config: object, threads: int, where: str
) -> None:
    used: list[tuple[str, int]] = []

    def forward(part: slice) -> NDArray[np.float32]:
        used.append((threading.current_thread().name, torch.get_num_threads()))
        return np.zeros((part.stop - part.start, 1), np.float32)

    with ThreadPoolExecutor(1, thread_name_prefix="asker") as asker:
        made = asker.submit(beside, Threads(workers(2), config), 1, forward).result()
    assert made.shape == (1, 1)
    assert used == [(where, threads)]


def test_after_an_error_no_part_is_under_way() -> None:
    failed = threading.Event()
    ended: list[int] = []

    def forward(part: slice) -> NDArray[np.float32]:
        if part.start == 0:
            failed.set()
            raise MemoryError("the first half")
        assert failed.wait(10)
        time.sleep(0.2)
        ended.append(part.start)
        return np.zeros((part.stop - part.start, 1), np.float32)

    with pytest.raises(MemoryError, match="the first half"):
        beside(Threads(workers(2), WIDE), 8, forward)
    assert ended == [4]
