"""One process that decodes mutated photos under limits: `python -m tests.fuzz.photo_trial FIRST COUNT FOLDER`.

Before each case its number is written to FOLDER/current; so whoever started this knows which one ended it. The last
line of the output is the tally, as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time

import numpy as np

from clip_runner.pixels import PhotoError, PixelSpec, decode_pixels
from tests.fuzz.mutations import mutated, originals

SPEC = PixelSpec(224, 224, 224, 3)
MAX_MPIXELS = 64
DECLARED = {
    "empty_file", "unsupported_format", "truncated_image", "corrupt_image", "image_too_large", "extreme_aspect_ratio",
}  # fmt: skip
ROOM = 1200 * 2**20
"""Bytes of address space that decoding may take beyond what the process has at its beginning. 64 megapixels are 256 MB;
the decoder of WebP holds three times as much, and the result is one more."""

SLOWEST = 15.0
"""Seconds of processor time that one photo may take."""


@dataclass
class Tally:
    """What came out: how often each outcome, and what should not have."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[int, str]] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_mb: float = 0.0

    def to_json(self) -> str:
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, text: str) -> Tally:
        values = json.loads(text)
        return cls(Counter(values["outcomes"]), [tuple(one) for one in values["wrong"]], values["slowest_s"],
                   values["peak_mb"])  # fmt: skip

    def add(self, other: Tally) -> None:
        self.outcomes += other.outcomes
        self.wrong += other.wrong
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.peak_mb = max(self.peak_mb, other.peak_mb)


def outcome(data: bytes) -> str:
    """`pixels`, or the code of the error; anything else is raised. AssertionError for pixels of a wrong shape."""
    try:
        pixels = decode_pixels(data, SPEC, max_mpixels=MAX_MPIXELS)
    except PhotoError as error:
        if isinstance(error.__context__, MemoryError):
            raise error.__context__ from None
        assert error.code in DECLARED, error.code
        return error.code
    assert pixels.shape == (224, 224, 3) and pixels.dtype == np.uint8, (pixels.shape, pixels.dtype)
    return "pixels"


def bound_memory(room: int = ROOM) -> None:
    """From here on this process may grow by `room` bytes at most."""
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + room, has + room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(first: int, count: int, folder: Path) -> None:
    for format in ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"):
        for original in originals(format):  # also loads the decoders, before memory is bounded
            assert outcome(original) == "pixels", format
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bound_memory()
    tally = Tally()
    with (folder / "current").open("w") as current:
        for number in range(first, first + count):
            current.seek(0)
            current.write(f"{number:012d}")
            current.flush()
            _, data = mutated(number)
            begun = process_time()
            try:
                found = outcome(data)
            except Exception as error:
                found = "wrong"
                tally.wrong.append((number, "".join(traceback.format_exception_only(error)).strip()))
            tally.outcomes[found] += 1
            tally.slowest_s = max(tally.slowest_s, process_time() - begun)
    tally.peak_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(tally.to_json())  # noqa: T201 - read by whoever started this


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
