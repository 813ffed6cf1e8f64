"""`make bench`: how close the service comes to what this machine can do, as ratios within one run."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks import asked, machine, models, report
from benchmarks.requests import photos
from benchmarks.rounds import Figures, Plan, run_round

_RESULTS = Path(__file__).parent / "results"
_CACHE = Path(__file__).resolve().parent.parent / ".local" / "bench"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _say_of(what: str, text: str) -> None:
    _say(what + text)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--photos", type=Path, help="a folder with *.jpg files; without it, the sample catalogue's")
    parser.add_argument("--size", type=_size, metavar="WxH", help="enlarge the photos to this, e.g. 800x1200")
    parser.add_argument("--models", default="bundled,b32", help="bundled, b32 (ViT-B/32's shape, random weights), both")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20, help="length of each measurement")
    parser.add_argument("--quick", action="store_true", help="one short round with the bundled model")
    parser.add_argument("--out", type=Path, help="where the JSON goes (default: benchmarks/results/, by date)")
    return parser.parse_args()


def main() -> int:
    """Run all rounds, print the table, write figures and plot."""
    asked_for = _arguments()
    plan = Plan(asked_for.seconds, searches=500, baseline=True)
    chosen, rounds = asked_for.models.split(","), asked_for.rounds
    if asked_for.quick:
        plan, chosen, rounds = Plan(6, searches=100, baseline=True), ["bundled"], 1
    where = machine.describe()
    _say(", ".join(f"{name} {value}" for name, value in where.items()))
    files = photos(asked_for.photos, asked_for.size, 64)
    runs: dict[str, tuple[list[Figures], list[asked.Line]]] = {}
    for name in chosen:
        model = models.bundled() if name == "bundled" else models.vit_b_32(_CACHE / "vit-b-32")
        figures = []
        for number in range(rounds):
            begun = perf_counter()
            here = f"{name} {number + 1}/{rounds}: "
            figures.append(run_round(model, files, plan, partial(_say_of, here)))
            _say(f"{here}{perf_counter() - begun:.0f} s")
        runs[name] = (figures, asked.lines(figures))
        _say(f"\n{name}\n{report.table(runs[name][1])}\n")
    out = asked_for.out or _RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M}.json"
    report.write(out, where, runs)
    report.plot(out.with_suffix(".png"), runs)
    _say(f"figures: {out}, plot: {out.with_suffix('.png')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
