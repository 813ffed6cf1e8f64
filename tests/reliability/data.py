"""Stores that are killed while a load or a deletion writes to them: whatever was acknowledged holds."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.etl.proof.place import Place, write_zip
from tests.etl.proof.recorder import Recorder
from tests.stack import System

_AWAY = 1.5  # seconds between a kill and the new start


def stores(system: System) -> dict[str, tuple[Callable[[], None], Callable[[], None]]]:
    """How each is killed (SIGKILL), and started again."""
    both = system.stores
    return {
        "Milvus": (lambda: both.milvus.kill(), both.start_milvus),
        "the object store": (lambda: both.s3.kill(), both.start_s3),
    }


def killed_in_a_load(system: System, folder: Path, photos: dict[str, bytes], store: str) -> str:
    """A load in whose middle the store is killed: at its end every item is there and every photo opens."""
    kill, start = stores(system)[store]
    place = Place(system, folder, f"kill-{store.split()[-1].lower()}")
    source = write_zip(photos, place.folder / "shop.zip")
    with Recorder(system.url) as recorder:
        run = place.start("run", str(source), "--batch", "4", ETL_ENCODER_URL=recorder.url)
        while sum(recorder.encoded.values()) < len(photos) / 4:
            assert run.alive(), f"the load ended too early: {run.err[-1000:]}"
            time.sleep(0.01)
        kill()  # in the middle of its writes, unlike a stop
        killed_at = sum(recorder.encoded.values())
        time.sleep(_AWAY)
        start()
        ended = run.finish()
    assert ended.code == 0, ended.err[-2000:]
    place.check_whole(photos)
    assert place.etl("status", "--verify").code == 0
    return f"{store} killed after {killed_at} of {len(photos)} photos: {len(photos)} items, every photo opens"


def killed_in_deletes(system: System, folder: Path, photos: dict[str, bytes], *, rounds: int, seed: int = 7) -> str:
    """Deletions while both stores are killed at random moments: what was said to be removed is gone, the rest whole."""
    draw = random.Random(seed)
    place = Place(system, folder, "kill-deletes")
    source = write_zip(photos, place.folder / "shop.zip")
    assert place.etl("run", str(source)).code == 0
    left = dict(photos)
    kills = at_work = 0
    for round in range(rounds):
        kill, start = list(stores(system).values())[round % 2]
        gone = draw.sample(sorted(left), max(1, len(photos) // (2 * rounds)))
        run = place.start("delete", "--yes", *(part for id in gone for part in ("--id", id)))
        time.sleep(draw.uniform(0.5, 3.5))
        at_work += run.alive()
        kill()
        time.sleep(_AWAY)
        start()  # by this thread: a child ends with the thread that started it
        ended = run.finish()
        assert ended.code == 0, ended.err[-2000:]
        kills += 1
        for id in gone:
            del left[id]
        place.check_whole(left)
    assert place.etl("status", "--verify").code == 0
    done = f"{len(photos) - len(left)} items gone, {len(left)} whole"
    return f"{kills} kills in {rounds} deletions, {at_work} of which were still under way: {done}"
