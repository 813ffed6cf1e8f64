"""The OpenAPI document and the service say the same; `make fuzz` asks for longer."""

from __future__ import annotations

from tests.fuzz.documented import fuzz_documented
from tests.fuzz.guarded import KEY
from tests.stack import System


def test_every_check_passes_for_requests_made_from_the_document(guarded: System) -> None:
    outcome = fuzz_documented(guarded.url, key=KEY, per_route=5, seed=1)
    assert outcome.failures == 0, outcome.report[-6000:]
    assert outcome.cases > 200
