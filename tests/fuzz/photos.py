"""Mutated photos against the decoder, in processes with little memory that are watched and may die."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.mutations import mutated
from tests.fuzz.photo_trial import SLOWEST, Tally
from tests.stack import ROOT

FOUND = Path(__file__).parent / "found"
"""Cases that once did what they must not; tests/fuzz/test_photos.py tries them again."""

_BATCH = 1_000
_HUNG = 120.0  # seconds of the clock for one photo, on a machine that others use too

Progress = Callable[[int], None]


def fuzz_photos(count: int, *, first: int = 0, processes: int = 2, progress: Progress = lambda _: None) -> Tally:
    """Decode `count` mutated photos; whatever does more than answer or refuse is kept in `FOUND`."""
    batches = [(at, min(_BATCH, first + count - at)) for at in range(first, first + count, _BATCH)]
    tally, running = Tally(), list[_Trial]()
    with TemporaryDirectory() as folder:
        while batches or running:
            while batches and len(running) < processes:
                start, size = batches.pop(0)
                running.append(_Trial(Path(folder) / str(start), start, size))
            for trial in [trial for trial in running if trial.ended()]:
                running.remove(trial)
                found, rest = trial.result()
                tally.add(found)
                if rest is not None:
                    batches.insert(0, rest)
            progress(tally.outcomes.total())
            time.sleep(0.05)
    for number, _ in tally.wrong:
        keep(number)
    return tally


def keep(number: int) -> Path:
    """Write a case down under a name of its own."""
    format, data = mutated(number)
    FOUND.mkdir(exist_ok=True)
    file = FOUND / f"{format.lower()}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
    file.write_bytes(data)
    return file


class _Trial:
    """One process; see `tests.fuzz.photo_trial`."""

    def __init__(self, folder: Path, first: int, count: int) -> None:
        folder.mkdir()
        self._first, self._end = first, first + count
        self._current = folder / "current"
        self._output = (folder / "tally").open("w+")
        # What libtiff has to say about each case goes nowhere.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.photo_trial", str(first), str(count), str(folder)],
            cwd=ROOT, env={**os.environ, "PYTHONWARNINGS": "ignore"}, stdout=self._output, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._begun = time.monotonic()
        self._hung = False

    def ended(self) -> bool:
        since = time.monotonic() - self._begun
        if self._current.exists():
            since = min(since, time.time() - self._current.stat().st_mtime)
        if since > _HUNG and self._process.poll() is None:
            self._hung = True
            self._process.kill()
        return self._process.poll() is not None

    def result(self) -> tuple[Tally, tuple[int, int] | None]:
        """What came out; and where it did not reach its end, what is still to do after the case that ended it."""
        with self._output:
            self._output.seek(0)
            lines = self._output.read().splitlines()
        if self._process.returncode == 0:
            return Tally.from_json(lines[-1]), None
        number = int(self._current.read_text()) if self._current.exists() else self._first
        tally = Tally()
        # What came before it in its batch was right, but its outcomes are lost with the process.
        tally.outcomes.update({"before a crash": number - self._first, "wrong": 1})
        tally.wrong.append((number, "hung" if self._hung else f"ended the process: {self._process.returncode}"))
        rest = (number + 1, self._end - number - 1)
        return tally, rest if rest[1] else None


def summary(tally: Tally) -> str:
    """The last line of a run."""
    outcomes = ", ".join(f"{name} {count:,}" for name, count in sorted(tally.outcomes.items()))
    return (
        f"photos: {tally.outcomes.total():,} cases, {len(tally.wrong)} failures ({outcomes}); slowest "
        f"{tally.slowest_s:.2f} s, at most {tally.peak_mb:,.0f} MB more"
    )


def failures(tally: Tally) -> list[str]:
    """What should not have happened, in a line each."""
    lines = [f"case {number}: {what}" for number, what in tally.wrong]
    if tally.slowest_s > SLOWEST:
        lines.append(f"one photo took {tally.slowest_s:.1f} s")
    return lines
