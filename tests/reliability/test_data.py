"""Stores killed with SIGKILL while they are written to, in short; `make chaos` takes more photos and more kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.etl.proof.place import photos_of
from tests.reliability import data
from tests.stack import SAMPLE, System


@pytest.mark.parametrize("store", ["Milvus", "the object store"])
def test_what_a_load_wrote_survives_a_killed_store(system: System, tmp_path: Path, store: str) -> None:
    data.killed_in_a_load(system, tmp_path, photos_of(SAMPLE, 24), store)


def test_what_was_deleted_stays_deleted_and_the_rest_is_whole(system: System, tmp_path: Path) -> None:
    data.killed_in_deletes(system, tmp_path, photos_of(SAMPLE, 12), rounds=2)
