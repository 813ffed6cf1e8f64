"""What the checks have in common: a running system, photos, and the load that several of them look at."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.etl.proof.place import Ended, Place, write_zip
from tests.stack import System


@dataclass
class Stage:
    """A running system, photos by id, and a folder to work in."""

    system: System
    photos: dict[str, bytes]
    folder: Path
    kills: int = 10
    away: float = 20
    """Seconds that each part is away."""

    few: int = 1000
    """Photos of the checks that need not have all of them."""

    def place(self, name: str) -> Place:
        return Place(self.system, self.folder, name)

    def some(self) -> dict[str, bytes]:
        """The first few photos."""
        return dict(list(self.photos.items())[: self.few])

    @cached_property
    def first(self) -> FirstLoad:
        """All photos, loaded once from a zip archive; several checks look at this load."""
        place = self.place("zip")
        source = write_zip(self.photos, place.folder / "shop.zip")
        ended = loaded(place, "run", str(source), "--source-name", "shop")
        place.check_whole(self.photos)
        return FirstLoad(place, source, ended)


@dataclass(frozen=True)
class FirstLoad:
    """Where the first load went, what it loaded, and how it ended."""

    place: Place
    source: Path
    ended: Ended


def loaded(place: Place, *arguments: str, code: int = 0, **env: str) -> Ended:
    """Run the command to its end, which is this exit code."""
    ended = place.etl(*arguments, **env)
    assert ended.code == code, f"{arguments}: exit code {ended.code}\n{ended.err[-2000:]}\n{ended.out}"
    return ended


def write_table(file: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Rows of the same columns as CSV."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    file.write_text(text.getvalue())
