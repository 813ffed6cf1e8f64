"""An instance that is told to stop under load answers what it accepted; `tests/image` does it as a container does."""

from __future__ import annotations

import sys
from pathlib import Path

from local.ports import HOST, free_port
from local.processes import Child
from local.servers import http_ok
from tests.reliability.drain import CLIENTS, ENDED_WITHIN, accepted, stop_under_load
from tests.stack import ROOT, START_TIMEOUT, Stores


def test_bare_it_answers_what_it_accepted(stores: Stores, tmp_path: Path) -> None:
    """Clients that go by nothing: what they sent before is answered, what they send after is refused at once."""
    port = free_port()
    bentoml = str(Path(sys.executable).parent / "bentoml")
    command = [bentoml, "serve", "service:FashionSearch", "--host", HOST, "--port", str(port)]
    home = {"BENTOML_HOME": str(tmp_path / "home"), "BENTOML_DO_NOT_TRACK": "True", "PYTHONPATH": str(ROOT)}
    env = {**stores.env, **home, "LOG_FORMAT": "json"}
    child = Child("the service", command, env=env, log=tmp_path / "log", cwd=ROOT)
    child.wait_ready(lambda: http_ok(f"http://{HOST}:{port}/readyz"), timeout=START_TIMEOUT)
    seen = stop_under_load(child, port, heed_readiness=False)
    assert set(seen.before) == {"200"}, seen
    # In the moment between the API's last accept and the closing of the door, the system takes connections itself: how
    # their end shows depends on how much of the request had been sent by then.
    ended = {"ConnectionResetError", "RemoteDisconnected", "BrokenPipeError"}
    assert set(seen.after) <= {"200", "ConnectionRefusedError", *ended}, seen
    assert seen.after["ConnectionRefusedError"] == CLIENTS
    assert accepted(tmp_path / "log") == {200: seen.before["200"] + seen.after["200"]}
    assert seen.seconds < ENDED_WITHIN
