"""`make etl-proof CATALOGUE=...`: all checks on a catalogue, with their figures."""

from __future__ import annotations

import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tests.etl.proof import interruptions, sources, speed
from tests.etl.proof.place import photos_of
from tests.etl.proof.stage import Stage
from tests.stack import System

CHECKS: dict[str, Callable[[Stage], list[str]]] = {
    "sources": sources.same_from_every_source,
    "again": speed.unchanged_is_passed_over,
    "memory": speed.memory_does_not_grow,
    "kills": interruptions.killed_at_random_moments,
    "bad": sources.bad_photos_among_good_ones,
    "away": interruptions.parts_away,
    "refusals": sources.refusals,
    "speed": speed.as_fast_as_the_service,
}


def main(
    catalogue: Annotated[Path, typer.Argument(help="A folder or a zip archive of photos.")],
    most: Annotated[int | None, typer.Option(help="Take only so many photos.")] = None,
    few: Annotated[int, typer.Option(help="Photos of the checks bad, speed and memory's other load.")] = 1000,
    only: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(CHECKS)}; can be repeated.")] = None,
    kills: Annotated[int, typer.Option(help="How often the load is killed.")] = 10,
    away: Annotated[float, typer.Option(help="Seconds that each part is away.")] = 20,
) -> None:
    """Show on a catalogue what a load must be able to do; the exit code is 1 where something does not hold."""
    photos = photos_of(catalogue, most)
    told: list[str] = []
    failed = False
    with tempfile.TemporaryDirectory(prefix="etl-proof-") as name:
        folder = Path(name)
        typer.echo(f"{len(photos)} photos, {sum(map(len, photos.values())) / 1e6:.1f} MB; starting the system ...")
        system = System(folder / "system", load=False)
        try:
            stage = Stage(system, photos, folder, kills, away, few)
            for check in only or CHECKS:
                began = time.monotonic()
                try:
                    figures, verdict = CHECKS[check](stage), "holds"
                except AssertionError:
                    figures, verdict = traceback.format_exc().splitlines()[-12:], "DOES NOT HOLD"
                    failed = True
                lines = [f"{check}: {verdict} ({time.monotonic() - began:.0f} s)", *(f"  {line}" for line in figures)]
                typer.echo("\n".join(lines))
                told += lines
        finally:
            system.stop()
    typer.echo("\n".join(["", "in short:", *told]))
    raise typer.Exit(failed)


typer.run(main)
