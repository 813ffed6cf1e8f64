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
    parser.add_argument("--parts", default="service,before", help="beside the limit: service, before, infinity")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the service")
    parser.add_argument("--add", type=Path, metavar="FILE", help="go on with the rounds of an earlier run's JSON")
    parser.add_argument("--quick", action="store_true", help="one short round with the bundled model")
    parser.add_argument("--out", type=Path, help="where the JSON goes (default: benchmarks/results/, by date)")
    return parser.parse_args()


def main() -> int:
    """Run all rounds, print the table, write figures and plot."""
    asked_for = _arguments()
    parts, env = asked_for.parts.split(","), dict(setting.split("=", 1) for setting in asked_for.set)
    plan = Plan(asked_for.seconds, 500, parts, env)
    chosen, rounds = asked_for.models.split(","), asked_for.rounds
    if asked_for.quick:
        plan, chosen, rounds = Plan(6, 100, parts, env), ["bundled"], 1
    where = machine.describe()
    _say(", ".join(f"{name} {value}" for name, value in where.items()))
    files = photos(asked_for.photos, asked_for.size, 64)
    out = asked_for.add or asked_for.out or _RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M}.json"
    made: dict[str, list[Figures]] = report.read(asked_for.add) if asked_for.add and asked_for.add.exists() else {}
    for name in chosen:
        model = models.bundled() if name == "bundled" else models.vit_b_32(_CACHE / "vit-b-32")
        for number in range(rounds):
            begun = perf_counter()
            here = f"{name} {number + 1}/{rounds}: "
            made.setdefault(name, []).append(run_round(model, files, plan, partial(_say_of, here)))
            _say(f"{here}{perf_counter() - begun:.0f} s")
            # After each round, so that a run that is cut short keeps what it has.
            report.write(out, where, {name: (rounds_, asked.lines(rounds_)) for name, rounds_ in made.items()})
        _say(f"\n{name}\n{report.table(asked.lines(made[name]))}\n")
    report.plot(out.with_suffix(".png"), {name: (rounds_, asked.lines(rounds_)) for name, rounds_ in made.items()})
    _say(f"figures: {out}, plot: {out.with_suffix('.png')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
