"""Photos that were made to break the decoder; `make fuzz` tries many more."""

from __future__ import annotations

import subprocess
import sys
from threading import Thread

import pytest

from clip_runner.pixel_room import PixelRoom
from tests.fuzz.containers import CONTAINERS
from tests.fuzz.mutations import mutated, originals
from tests.fuzz.photo_trial import outcome
from tests.fuzz.photos import FOUND, failures, fuzz_photos
from tests.stack import ROOT


@pytest.mark.parametrize("format", list(CONTAINERS))
def test_a_container_taken_apart_and_put_together_is_the_same_picture(format: str) -> None:
    container = CONTAINERS[format]
    for original in originals(format):
        assert len(container.split(original)) >= (1 if format == "WEBP" else 3)
        assert outcome(container.join(container.split(original))) == "pixels"


def test_a_case_can_be_made_again() -> None:
    assert mutated(7) == mutated(7)
    assert len({mutated(number)[1] for number in range(200)}) > 150


def test_mutated_photos_are_decoded_or_refused() -> None:
    tally = fuzz_photos(1_500)
    assert failures(tally) == []
    assert tally.outcomes.total() == 1_500
    # All that a decoder can answer was met, or the mutations are too tame or too wild.
    assert set(tally.outcomes) >= {"pixels", "corrupt_image", "truncated_image", "image_too_large"}


def test_cases_that_were_found_are_decoded_or_refused_now() -> None:
    for case in sorted(FOUND.glob("*.bin")):
        outcome(case.read_bytes())


def decode_giant(name: str) -> str:
    """Decode one of the largest photos in a process with little memory; what went wrong, or nothing."""
    code = f"""
from tests.fuzz.giants import GIANTS
from tests.fuzz.photo_trial import bound_memory, outcome
photo = GIANTS[{name!r}]()
bound_memory()
assert outcome(photo) == "pixels"
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr or f"ended with {done.returncode}"


@pytest.mark.parametrize("name", ["16 bit grey PNG", "lossless WebP"])
def test_the_largest_photos_fit_into_little_memory(name: str) -> None:
    assert decode_giant(name) == ""


def test_only_so_many_pixels_are_decoded_at_once() -> None:
    room, seen = PixelRoom(100), list[str]()
    with room(60):
        with room(40):
            pass
        waiting = Thread(target=lambda: _hold(room, 50, seen))
        waiting.start()
        waiting.join(0.2)
        assert seen == []
    waiting.join(10)
    assert seen == ["held"]
    with room(1_000):  # more than there is: all of it
        pass


def _hold(room: PixelRoom, pixels: int, seen: list[str]) -> None:
    with room(pixels):
        seen.append("held")
