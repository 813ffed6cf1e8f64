"""A full disk: nothing is lost, and all goes on once there is space."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etl.proof.place import Place, photos_of, write_folder
from tests.reliability.small_disk import fill, small_disk
from tests.stack import SAMPLE, System


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    try:
        with small_disk(tmp_path / "disk", kilobytes=400) as mounted:
            yield mounted
    except PermissionError as error:
        pytest.skip(f"a small disk cannot be mounted here (needs root): {error}")


def test_a_load_without_space_for_its_checkpoint_says_so_and_goes_on_later(
    system: System, tmp_path: Path, disk: Path
) -> None:
    photos = photos_of(SAMPLE, 24)
    place = Place(system, tmp_path, "full-disk")
    source = write_folder(photos, place.folder / "shop")
    state = disk / "state"
    few = write_folder(dict(list(photos.items())[:4]), place.folder / "few" / "shop")
    assert place.etl("run", str(few), ETL_STATE_DIR=str(state)).code == 0

    filling = fill(disk)
    full = place.etl("run", str(source), "--batch", "4", ETL_STATE_DIR=str(state))
    assert full.code == 1
    assert full.err.strip().splitlines()[-1].startswith("etl: no space is left"), full.err
    assert "Traceback" not in full.err

    filling.unlink()
    assert place.etl("run", str(source), ETL_STATE_DIR=str(state)).code == 0
    place.check_whole(photos)
