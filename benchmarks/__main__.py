"""`make bench`: how close the service comes to what this machine can do, as ratios within one run."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks import asked, models, report, subjects
from benchmarks.asked import Figures
from benchmarks.plot import plot
from benchmarks.requests import photos
from benchmarks.rounds import GROUPS, Plan, Rounds

_PICTURE = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "performance.png"
_SEARCHES = 500  # over all rounds


def _say_of(what: str, text: str) -> None:
    report.say(what + text)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def _some_of(possible: Sequence[str], text: str) -> list[str]:
    chosen = [name for name in text.split(",") if name]
    if unknown := [name for name in chosen if name not in possible]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose among {', '.join(possible)}")
    return chosen


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    groups, names = partial(_some_of, (*GROUPS, "start")), partial(_some_of, models.NAMES)
    parts = partial(_some_of, ("service", "before", "infinity"))
    parser.add_argument("--photos", type=Path, help="a folder with *.jpg files; without it, the sample catalogue's")
    parser.add_argument("--size", type=_size, metavar="WxH", help="enlarge the photos to this, e.g. 800x1200")
    parser.add_argument(
        "--models", type=names, help="bundled, b32 (ViT-B/32's shape, random weights), thin; default: bundled,b32"
    )
    parser.add_argument("--only", type=groups, default=list(GROUPS), metavar="GROUPS",
                        help="image, text, search, or start alone; start and memory come with each")  # fmt: skip
    parser.add_argument("--rounds", type=int, help="default: 5")
    parser.add_argument("--seconds", type=float, help="of each load with photos, half of it for texts; default: 3")
    parser.add_argument("--parts", type=parts, default="service,before", help="beside the limit; also: infinity")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the service")
    parser.add_argument("--add", type=Path, metavar="FILE", help="go on with the rounds of an earlier run's JSON")
    parser.add_argument("--quick", action="store_true", help="one round of 6 seconds with the bundled model")
    parser.add_argument("--out", type=Path, help="where the JSON goes (default: benchmarks/results/, by date)")
    parser.add_argument("--pictures", action="store_true", help=f"draw the plot into docs/pictures/{_PICTURE.name} too")
    return parser.parse_args()


def main() -> int:
    """Run all rounds, print the table, write figures and plot."""
    given = _arguments()
    rounds, seconds, chosen = (1, 6, ["bundled"]) if given.quick else (5, 3, ["bundled", "b32"])
    rounds, seconds, chosen = given.rounds or rounds, given.seconds or seconds, given.models or chosen
    only = [name for name in given.only if name != "start"]
    searches = 100 if given.quick else math.ceil(_SEARCHES / rounds)
    plan = Plan(seconds, searches, only, given.parts, dict(setting.split("=", 1) for setting in given.set))
    record = report.Record("bench", given.add or given.out)
    report.say(", ".join(f"{name} {value}" for name, value in record.machine.items()))
    files = photos(given.photos, given.size, 64)
    made: dict[str, list[Figures]] = _read(given.add) if given.add and given.add.exists() else {}
    for name in chosen:
        folder = models.folder_of(name)
        with TemporaryDirectory() as place, subjects.stores(Path(place)) as places:
            running = Rounds(folder, files, plan, places, partial(_say_of, f"{name}: "))
            for number in range(rounds):
                begun = perf_counter()
                made.setdefault(name, []).append(running.run())
                others = made[name][-1]["others' share of the processors"]
                took = perf_counter() - begun
                report.say(f"{name} {number + 1}/{rounds}: {took:.0f} s, others took {others:.0%} of the processors")
                record.write(models={name: _content(rounds_) for name, rounds_ in made.items()})
        report.say(f"\n{name}\n{report.table(asked.lines(made[name]))}\n")
    picture = record.file.with_suffix(".png")
    for file in (picture, _PICTURE) if given.pictures else (picture,):
        plot(file, made)
    report.say(f"figures: {record.file}, plot: {picture}")
    return 0


def _content(rounds: list[Figures]) -> dict[str, object]:
    table = [asdict(line) for line in asked.lines(rounds)]
    return {"table": table, "medians": asked.medians(rounds), "rounds": rounds}


def _read(file: Path) -> dict[str, list[Figures]]:
    """The rounds of each model of an earlier run."""
    content = json.loads(file.read_text())
    return {name: model["rounds"] for name, model in content["models"].items()}


if __name__ == "__main__":
    sys.exit(main())
