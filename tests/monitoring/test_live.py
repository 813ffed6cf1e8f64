"""The short form of `make monitoring-proof`: real Prometheus, Alertmanager and node exporter around a real service."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.monitoring.expressions import panels, rules
from tests.monitoring.known_load import of, photo, send
from tests.monitoring.scene import Scene
from tests.monitoring.waiting import until
from tests.stack import System

# What the short form has no part for; the long form has some of them.
ABSENT = {
    "cAdvisor", "Elasticsearch", "Fluent Bit", "Milvus", "the object store's metrics", "etcd", "nginx' exporter",
    "the search page", "a load",
}  # fmt: skip


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, watched: System) -> Iterator[Scene]:
    with Scene(tmp_path_factory.mktemp("scene"), watched) as running:
        yield running


def test_counters_agree_with_a_load_that_is_known(scene: Scene) -> None:
    before = scene.counts()
    load = of(200, photo())
    answers = send(scene.system.url, load)
    expected = sum((adds for _, adds in load), Counter())
    assert answers.total() == 200
    assert scene.counts() - before == expected


def test_unknown_paths_and_a_new_worker_leave_the_series_as_they_are(scene: Scene) -> None:
    before, counts = scene.series(), scene.counts()
    with httpx.Client(base_url=scene.system.url, trust_env=False) as client:
        for number in range(300):
            assert client.get(f"/nothing-{number}").status_code == 404
    assert scene.series() == before
    scene.kill_a_worker()
    assert scene.series() == before
    assert scene.counts()["requests|unknown|404"] == counts["requests|unknown|404"] + 300  # also those of the dead one


@pytest.mark.timeout(600)  # the model's process is a minute in coming back where everything else works beside it
def test_a_killed_runner_is_told_once_and_so_is_its_return(scene: Scene) -> None:
    scene.discord.clear()
    scene.discord.planned = [(429, {"message": "You are being rate limited.", "retry_after": 0.5})] * 2
    killed = scene.system.runner_pid()
    os.kill(killed, signal.SIGKILL)
    [next_one] = until(
        lambda: [pid for pid in scene.system.runner_pids() if pid != killed], what="a new runner", timeout=60
    )
    os.kill(next_one, signal.SIGSTOP)  # it would be there before the alert: within seconds, on a machine with time

    away = f"127.0.0.1:{scene.system.port} has no answer from its runner"
    try:
        until(lambda: away in scene.discord.titles(), what="the alert in Discord", timeout=90)
    finally:
        os.kill(next_one, signal.SIGCONT)
    assert scene.discord.answers[:2] == [429, 429]
    until(lambda: f"Resolved: {away}" in scene.discord.titles(), what="its end in Discord", timeout=400)
    assert scene.discord.titles().count(away) == 1
    assert scene.discord.titles().count(f"Resolved: {away}") == 1


def test_every_expression_gives_data_or_needs_a_part_that_is_not_here(scene: Scene) -> None:
    assert {rule["health"] for rule in scene.prometheus.rules()} == {"ok"}
    needed = [each for each in [*panels("20s"), *rules()] if each.part not in ABSENT]
    # The slowest looks at whole minutes; a part of the data is a minute old at the earliest.
    until(lambda: not scene.without_data(needed), what="data for every expression", timeout=120)
