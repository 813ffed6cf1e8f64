"""One system for all loads of these tests; each test that needs a catalogue of its own makes itself a place in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stack import System


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """An empty system, which these tests load into."""
    running = System(tmp_path_factory.mktemp("etl"), load=False)
    yield running
    running.stop()
