"""The short form of `make etl-proof`: few photos of the sample, one kill, short absences.

Its other checks need no short form: what a source must not do, and that an unchanged source sends nothing, have tests
of their own; speed and memory mean nothing on so few photos.
"""

from __future__ import annotations

import pytest

from tests.etl.proof import interruptions, sources
from tests.etl.proof.place import photos_of
from tests.etl.proof.stage import Stage
from tests.stack import SAMPLE, System


@pytest.fixture(scope="module")
def stage(system: System, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(system, photos_of(SAMPLE, 12), tmp_path_factory.mktemp("proof"), kills=1, away=1.5, few=6)


def test_every_source_gives_the_same(stage: Stage) -> None:
    sources.same_from_every_source(stage, ["url", "table", "s3"])


def test_killed_and_run_again(stage: Stage) -> None:
    interruptions.killed_at_random_moments(stage)


def test_bad_photos_among_good_ones(stage: Stage) -> None:
    sources.bad_photos_among_good_ones(stage)


def test_parts_away_in_the_middle(stage: Stage) -> None:
    interruptions.parts_away(stage, ["Milvus", "the object store"])
