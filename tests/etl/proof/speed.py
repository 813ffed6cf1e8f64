"""How fast a load is, measured as ratios: against the service alone, against itself, and in memory."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.load import closed_loop
from benchmarks.requests import photo_requests
from tests.etl.proof.place import write_zip
from tests.etl.proof.recorder import Recorder
from tests.etl.proof.stage import Stage, loaded

FRACTION = 0.9  # of the saturated service's photos/s that a load must reach
FASTER = 20  # times that a load of an unchanged source must be faster than the first
MEMORY = 1.10  # of the peak for a quarter of the photos that all of them may take
ROUNDS = 3
SATURATED_BY = ((8, 2), (8, 4), (8, 8), (16, 2), (16, 4), (32, 2), (32, 4))
"""Photos of a request, and requests under way; the service's best of them counts."""

TRIAL, MEASURED = 6.0, 15.0  # seconds in which the best is found, and in which it is measured
ENCODE = "/encode_image?encoding_format=base64"


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
    """Photos/s of loads, each against those of `/encode_image` at its best just before and just after it."""
    chosen = stage.some()
    photos = list(chosen.values())
    url = stage.system.url
    rates = {setting: _saturate(url, photos, *setting, seconds=TRIAL) for setting in SATURATED_BY}
    best = max(rates, key=lambda setting: rates[setting])
    alone = [_saturate(url, photos, *best, seconds=MEASURED)]
    ratios, figures = [], []
    for number in range(ROUNDS):
        place = stage.place(f"speed{number}")
        ended = loaded(place, "run", str(write_zip(chosen, place.folder / "shop.zip")))
        alone.append(_saturate(url, photos, *best, seconds=MEASURED))
        load, (before, after) = _own_rate(ended.summary), alone[-2:]
        ratios.append(load / ((before + after) / 2))
        figures.append(f"load {load:.1f} photos/s, service {before:.1f} before and {after:.1f} after it")
    ratio = statistics.median(ratios)
    tried = ", ".join(f"{each}x{in_flight} {rate:.1f}" for (each, in_flight), rate in rates.items())
    lines = [
        f"median ratio {ratio:.2f} of {[round(one, 2) for one in ratios]} (wanted: {FRACTION}); {len(photos)} photos",
        f"best of the service: {best[1]} requests of {best[0]} photos under way",
        *figures,
        f"tried, photos of a request x requests, photos/s: {tried}",
    ]
    assert ratio >= FRACTION, lines
    return lines


def _own_rate(summary: str) -> float:
    """The photos/s that the command itself tells, from the first look at its source to its end."""
    found = re.search(r"\(([\d.]+) photos/s", summary)
    assert found, summary
    return float(found[1])


def _saturate(url: str, photos: Sequence[bytes], each: int, in_flight: int, *, seconds: float) -> float:
    """Photos/s of the service with nothing but it at work, by the load generator of `make bench`."""
    # As the load asks for them: vectors as base64 cost the service less than as numbers.
    requests = [replace(request, path=ENCODE) for request in photo_requests(photos, each)]
    outcome = closed_loop(url, requests, in_flight=in_flight, seconds=seconds)
    assert not outcome.failed, outcome.statuses
    return outcome.rate
