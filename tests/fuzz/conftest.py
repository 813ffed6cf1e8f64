from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.guarded import guarded_system
from tests.stack import System


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that asks for keys; what its answers say of being busy is not what is tested here."""
    running = guarded_system(tmp_path_factory.mktemp("guarded"))
    yield running
    running.stop()
