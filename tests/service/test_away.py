"""What each part's absence does: stopped and hung, answered in time, and back without a restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import httpx
import pytest

from tests.stack import SAMPLE, System, pause, resume

PHOTO = (SAMPLE / "images" / "055-jacket-black.jpg").read_bytes()
ID = "images/055-jacket-black"
ANSWERED_WITHIN = 3.0  # seconds
BACK_WITHIN = 60.0  # seconds; a killed runner has to load its model again, on a machine that may be busy


NUMBERS = count()  # for texts that nobody sent before: a text that is remembered does without the runner for a moment

ROUTES: dict[str, Callable[[httpx.Client], httpx.Response]] = {
    "encode text": lambda api: api.post("/encode_text", json=[f"text {next(NUMBERS)}"]),
    "encode image": lambda api: api.post("/encode_image", files={"files": PHOTO}),
    "search words": lambda api: api.post("/search-image", json={"query": f"dress {next(NUMBERS)}"}),
    "search photo": lambda api: api.post("/search-image", files={"file": PHOTO}),
    "search like": lambda api: api.post("/search-image", json={"like": ID}),
    "item": lambda api: api.get(f"/items/{ID}"),
    "facets": lambda api: api.get("/facets"),
    "ready": lambda api: api.get("/readyz"),
    "live": lambda api: api.get("/livez"),
}


@dataclass(frozen=True)
class Absence:
    """A part, and the routes that answer 503 while it is away; all others answer 200."""

    part: str
    fail: frozenset[str]


ENCODING = frozenset({"encode text", "encode image", "search words", "search photo"})
SEARCHING = frozenset({"search words", "search photo", "search like", "item", "facets"})
ABSENCES = [
    Absence("milvus", SEARCHING | {"ready"}),
    Absence("store", frozenset({"ready"})),
    Absence("runner", ENCODING | {"ready"}),
]


def stop_and_start(system: System, part: str) -> tuple[Callable[[], None], Callable[[], None]]:
    if part == "milvus":
        return system.stores.milvus.stop, system.stores.start_milvus
    if part == "store":
        return system.stores.s3.stop, system.stores.start_s3
    # BentoML starts a runner that died again by itself; held back here until it has been looked at.
    supervisor, runner = system.service.pid, system.runner_pid()

    def kill() -> None:
        import os
        import signal

        pause(supervisor)
        os.kill(runner, signal.SIGKILL)

    return kill, lambda: resume(supervisor)


def hang_and_wake(system: System, part: str) -> tuple[Callable[[], None], Callable[[], None]]:
    children = {"milvus": system.stores.milvus, "store": system.stores.s3}
    pid = children[part].pid if part in children else system.runner_pid()
    return lambda: pause(pid), lambda: resume(pid)


@pytest.mark.parametrize("how", [stop_and_start, hang_and_wake])
@pytest.mark.parametrize("absence", ABSENCES, ids=lambda absence: absence.part)
def test_what_fails_what_goes_on_and_how_it_comes_back(
    system: System, absence: Absence, how: Callable[[System, str], tuple[Callable[[], None], Callable[[], None]]]
) -> None:
    leave, come_back = how(system, absence.part)
    with system.client() as api:
        assert {name: call(api).status_code for name, call in ROUTES.items()} == dict.fromkeys(ROUTES, 200)
        api.post("/encode_text", json=["remembered"]).raise_for_status()
        leave()
        try:
            # Twice: right after it happened, when nobody knows yet, and once it is known.
            for known in (False, True):
                if known:
                    eventually(lambda: api.get("/readyz").status_code == 503, 5)
                for name, call in ROUTES.items():
                    if name == "ready" and not known:
                        continue
                    started = time.monotonic()
                    answer = call(api)
                    assert time.monotonic() - started < ANSWERED_WITHIN, name
                    # Facets are remembered, and answered until it is known.
                    if answer.status_code == 200 and name == "facets" and not known:
                        continue
                    assert answer.status_code == (503 if name in absence.fail else 200), name
                    if answer.status_code == 503 and name != "ready":
                        assert answer.json()["error"]["code"] == "unavailable"
                        assert answer.json()["error"]["details"] == {"part": absence.part}
                        assert answer.headers["retry-after"]
            # A text that is remembered is no exception once it is known.
            remembered = api.post("/encode_text", json=["remembered"]).status_code
            assert remembered == (503 if "encode text" in absence.fail else 200)
            assert api.get("/readyz").json()["parts"][absence.part] is False
        finally:
            come_back()
        eventually(lambda: all(call(api).status_code == 200 for call in ROUTES.values()), BACK_WITHIN)


def eventually(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)
