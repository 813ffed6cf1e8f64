"""Loads that are killed, and loads whose servers go away."""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tests.etl.proof.place import write_zip
from tests.etl.proof.recorder import Recorder
from tests.etl.proof.stage import Stage, loaded

_AWAY = 300  # photos of a load in which a part goes away


def killed_at_random_moments(stage: Stage) -> list[str]:
    """One load, killed again and again: at the end nothing is missing, doubled, or encoded needlessly."""
    place = stage.place("kills")
    source = write_zip(stage.photos, place.folder / "shop.zip")
    draw = random.Random(4130)
    in_flight: list[int] = []
    killed = 0
    with Recorder(stage.system.url) as recorder:

        def told(err: str) -> None:
            in_flight.extend(
                int(line.split(" photos in flight")[0].rsplit(" ", 1)[1])
                for line in err.splitlines()
                if "photos in flight" in line
            )

        while killed < stage.kills:
            before = sum(recorder.encoded.values())
            # Somewhere in the part of the work that is this run's share, or a moment after it.
            share = draw.uniform(0, 1.2 * len(stage.photos) / (stage.kills + 1))
            if not killed:
                # The first kill meets a load at work on any machine, however soon it could be done with few photos.
                recorder.enough = share
                recorder.answers.clear()
            run = place.start("run", str(source), ETL_ENCODER_URL=recorder.url)
            deadline = time.monotonic() + 600
            while run.alive() and sum(recorder.encoded.values()) - before < share and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(draw.uniform(0, 1))
            was_at_work = run.kill()
            recorder.answers.set()
            told(run.err)
            if not was_at_work:
                break  # it had come to its end
            killed += 1
        told(loaded(place, "run", str(source), ETL_ENCODER_URL=recorder.url).err)
        place.check_whole(stage.photos)
        counts = Counter(recorder.encoded)
    unique = {hashlib.sha256(content).hexdigest() for content in stage.photos.values()}
    assert counts.keys() == unique
    extra = sum(counts.values()) - len(stage.photos)
    assert killed > 0
    assert extra <= sum(in_flight), f"{extra} photos were encoded again, {sum(in_flight)} were in flight"
    bound = 4 * 32 + 32 + 8 + 2 * 64  # requests under way, and what waits to be stored and inserted
    assert max(in_flight, default=0) <= bound
    return [
        f"killed {killed} times, then {len(stage.photos)} items, every object read back",
        f"encoded twice: {extra}; in flight at the kills: {in_flight} (bound by the queues: {bound} each)",
    ]


def parts_away(stage: Stage, names: Sequence[str] = ("Milvus", "the object store", "the service")) -> list[str]:
    """Milvus, the store and the service, each away in the middle: the load waits, says so, and goes on."""
    photos = dict(list(stage.photos.items())[:_AWAY])
    stores, system = stage.system.stores, stage.system
    parts: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "Milvus": (lambda: stores.milvus.stop(), stores.start_milvus),
        "the object store": (lambda: stores.s3.stop(), stores.start_s3),
        "the service": (lambda: system.service.stop(), system.start_service),
    }
    figures = []
    for number, name in enumerate(names):
        stop, start = parts[name]
        place = stage.place(f"away{number}")
        source = write_zip(photos, place.folder / "shop.zip")
        with Recorder(system.url) as recorder:
            # One small batch after the other, so that a short load still has a middle.
            run = place.start("run", str(source), "--batch", "4", "--in-flight", "1", ETL_ENCODER_URL=recorder.url)
            while sum(recorder.encoded.values()) < len(photos) / 5:
                assert run.alive(), f"the load ended too early: {run.err[-1000:]}"
                time.sleep(0.01)
            recorder.gate.clear()  # so that the load is still in the middle when the part is gone
            stop()
            recorder.gate.set()
            time.sleep(stage.away)
            start()
            ended = run.finish()
            again = sum(recorder.encoded.values()) - len(photos)
        assert ended.code == 0, ended.err[-2000:]
        assert f"{name} is away" in ended.err, ended.err[-2000:]
        back = [line.rpartition(" | ")[2] for line in ended.err.splitlines() if f"{name} is back" in line]
        assert back, ended.err[-2000:]
        place.check_whole(photos)
        figures.append(f"{back[0]}; {len(photos)} items, none missing, {again} encoded twice")
    return figures
