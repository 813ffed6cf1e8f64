"""The OpenAPI document and the service say the same; `make fuzz` asks for longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.documented import fuzz_documented
from tests.fuzz.guarded import KEY, guarded_system
from tests.stack import System


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = guarded_system(tmp_path_factory.mktemp("guarded"))
    yield running
    running.stop()


def test_every_check_passes_for_requests_made_from_the_document(guarded: System) -> None:
    outcome = fuzz_documented(guarded.url, key=KEY, per_route=5, seed=1)
    assert outcome.failures == 0, outcome.report[-6000:]
    assert outcome.cases > 200
