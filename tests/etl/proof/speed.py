"""How fast a load is, measured as ratios: against the service alone, against itself, and in memory."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections.abc import Iterator, Sequence

import requests

from tests.etl.proof.place import write_zip
from tests.etl.proof.recorder import Recorder
from tests.etl.proof.stage import Stage, loaded

FRACTION = 0.9  # of the saturated service's photos/s that a load must reach
FASTER = 20  # times that a load of an unchanged source must be faster than the first
MEMORY = 1.10  # of the peak for a quarter of the photos that all of them may take
ROUNDS = 3
BATCHES, IN_FLIGHT = (8, 16, 32, 64), (2, 4)
"""What the service is saturated with: photos of a request, and requests under way; the best of them counts."""

_TRIAL = 192  # photos on which the best is found


def unchanged_is_passed_over(stage: Stage) -> list[str]:
    """A second load of the same source: nothing goes to the encoder, and it is many times faster."""
    first = stage.first
    arguments = ["run", str(first.source), "--source-name", "shop"]
    with Recorder(stage.system.url) as recorder:
        again = loaded(first.place, *arguments, ETL_ENCODER_URL=recorder.url)
        full = loaded(first.place, *arguments, "--full", ETL_ENCODER_URL=recorder.url)
        assert not recorder.encoded
    assert all(f"{len(stage.photos)} unchanged" in ended.summary for ended in (again, full))
    times = first.ended.seconds / again.seconds
    assert times >= FASTER, f"only {times:.1f} times faster"
    return [
        f"first load {first.ended.seconds:.1f} s, again {again.seconds:.1f} s: {times:.0f} times faster "
        f"(wanted: {FASTER}), process start included",
        f"with --full, which reads and compares every photo: {full.seconds:.1f} s; photos sent to the encoder: 0",
    ]


def memory_does_not_grow(stage: Stage) -> list[str]:
    """The load's peak memory for all photos, against that for some of them."""
    place = stage.place("memory")
    some = stage.some()
    few = loaded(place, "run", str(write_zip(some, place.folder / "shop.zip"))).peak_mb
    many = stage.first.ended.peak_mb
    assert many <= MEMORY * few, f"{few:.0f} MB for {len(some)}, {many:.0f} MB for {len(stage.photos)}"
    return [
        f"peak {few:.0f} MB for {len(some)} photos, {many:.0f} MB for {len(stage.photos)}: "
        f"{many / few:.3f} times (wanted: at most {MEMORY:.2f})"
    ]


def as_fast_as_the_service(stage: Stage) -> list[str]:
    """Photos/s of a load, against those of `/encode_image` at the best batch and concurrency, in turns."""
    chosen = stage.some()
    photos = list(chosen.values())
    trial = photos[:_TRIAL]
    _saturate(stage.system.url, trial, 8, 2)  # the first requests of a service are slower
    settings = [(batch, in_flight) for batch in BATCHES for in_flight in IN_FLIGHT]
    rates = {setting: _saturate(stage.system.url, trial, *setting) for setting in settings}
    best = max(rates, key=lambda setting: rates[setting])
    ratios, figures = [], []
    for number in range(ROUNDS):
        before = _saturate(stage.system.url, photos, *best)
        place = stage.place(f"speed{number}")
        ended = loaded(place, "run", str(write_zip(chosen, place.folder / "shop.zip")))
        after = _saturate(stage.system.url, photos, *best)
        load = _own_rate(ended.summary)
        ratios.append(load / ((before + after) / 2))
        figures.append(f"load {load:.1f} photos/s, service {before:.1f} before and {after:.1f} after it")
    ratio = statistics.median(ratios)
    shown = f"{len(photos)} photos; best of the service: {best[1]} requests of {best[0]} photos under way"
    lines = [f"median ratio {ratio:.2f} of {[round(one, 2) for one in ratios]} (wanted: {FRACTION}); {shown}", *figures]
    assert ratio >= FRACTION, lines
    return lines


def _own_rate(summary: str) -> float:
    """The photos/s that the command itself tells, from the first look at its source to its end."""
    found = re.search(r"\(([\d.]+) photos/s", summary)
    assert found, summary
    return float(found[1])


def _saturate(url: str, photos: Sequence[bytes], batch: int, in_flight: int) -> float:
    """Photos/s of the service, with nothing but it at work: a closed loop of so many clients."""
    batches = iter([photos[start : start + batch] for start in range(0, len(photos), batch)])
    lock = threading.Lock()
    failures: list[str] = []

    def work() -> None:
        with requests.Session() as session:
            for part in _each(batches, lock):
                files = [("files", (str(index), photo)) for index, photo in enumerate(part)]
                answer = session.post(f"{url}/encode_image?encoding_format=base64", files=files, timeout=120)
                if answer.status_code != 200:
                    failures.append(answer.text)

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    return len(photos) / (time.monotonic() - began)


def _each(batches: Iterator[Sequence[bytes]], lock: threading.Lock) -> Iterator[Sequence[bytes]]:
    while True:
        with lock:
            part = next(batches, None)
        if part is None:
            return
        yield part
