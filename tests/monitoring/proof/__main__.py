"""`make monitoring-proof`: everything that can be had watches everything that can be had; prints what it saw.

Ends with 1 where something is not as it should be. Draws the dashboards' data into docs/pictures with --pictures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import httpx

from monitoring.grafana.boards.all import BOARDS
from tests.monitoring.expressions import panels, rules
from tests.monitoring.known_load import of, photo, send
from tests.monitoring.proof.parts import Parts
from tests.monitoring.proof.pictures import draw
from tests.monitoring.scene import Scene
from tests.monitoring.waiting import until
from tests.stack import ROOT, System
from tests.ui.visits import visits

RATE = "30s"
ABSENT = {"cAdvisor", "Elasticsearch", "Fluent Bit"}
"""Parts that no package brings here; their expressions are listed."""


class Proof:
    """The steps, each printing what it saw."""

    def __init__(self, scene: Scene, parts: Parts) -> None:
        self._scene, self._parts = scene, parts
        self.failed = False

    def say(self, text: str, ok: bool = True) -> None:
        self.failed |= not ok
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} {'' if ok else 'NOT AS IT SHOULD BE: '}{text}\n")
        sys.stdout.flush()

    def known_load(self, requests: int) -> None:
        before, load = self._scene.counts(), of(requests, photo())
        begun = time.monotonic()
        answers = send(self._scene.system.url, load)
        expected = sum((adds for _, adds in load), Counter())
        found = self._scene.counts() - before
        wrong = {name for name in set(found) | set(expected) if found[name] != expected[name]}
        self.say(
            f"{answers.total()} known requests in {time.monotonic() - begun:.0f} s ({dict(answers)}): {len(expected)} "
            f"counters, {len(wrong)} of them differ {sorted(wrong) or ''}",
            not wrong,
        )

    def unknown_paths(self, requests: int) -> None:
        before = self._scene.series()
        with httpx.Client(base_url=self._scene.system.url, trust_env=False, timeout=60) as client:
            for number in range(requests):
                client.get(f"/nothing-{number}")
        after = self._scene.series()
        self.say(f"{requests} unknown URLs: {before} series before, {after} after", before == after)

    def restarts(self, times: int) -> None:
        if not times:
            return
        before, counted = self._scene.series(), self._scene.counts()
        for _ in range(times):
            self._scene.kill_a_worker()
        after, workers = self._scene.series(), self._scene.workers()
        kept = all(self._scene.counts()[name] >= count for name, count in counted.items())
        seconds = self._scene.prometheus.number('max(scrape_duration_seconds{job="service"})') or 0
        self.say(
            f"{times} workers killed: {before} series before, {after} after; {workers} active workers; "
            f"no counter fell: {kept}; a scrape takes {seconds * 1000:.0f} ms",
            before == after and kept,
        )

    def traffic(self, seconds: float) -> None:
        """Searches through page and door, a load, Milvus' own work, and more at once than the service takes."""
        page = threading.Thread(target=lambda: asyncio.run(visits(self._parts.page_url, 2, seconds, 2.0)))
        page.start()
        self._parts.search_milvus()
        self._parts.load()
        end = time.monotonic() + seconds
        rounds = 0
        while time.monotonic() < end:
            send(self._parts.door.api, of(60, photo(), seed=rounds), at_once=4)
            rounds += 1
        answers = send(self._scene.system.url, of(300, photo(), seed=1), at_once=150)
        page.join()
        self.say(f"traffic: {rounds} rounds through the door, a load, two visits; 150 at once: {dict(answers)}")

    def killed_runner(self) -> None:
        discord, system = self._scene.discord, self._scene.system
        discord.clear()
        discord.planned = [(429, {"message": "You are being rate limited.", "retry_after": 0.5})] * 2
        away = f"127.0.0.1:{system.port} has no answer from its runner"
        begun = time.monotonic()
        os.kill(system.runner_pid(), signal.SIGKILL)
        until(lambda: away in discord.titles(), what="the alert in Discord", timeout=120)
        told = time.monotonic() - begun
        until(lambda: f"Resolved: {away}" in discord.titles(), what="its end in Discord", timeout=400)
        counts = [discord.titles().count(title) for title in (away, f"Resolved: {away}")]
        self.say(
            f"runner killed: in Discord after {told:.0f} s, its end after {time.monotonic() - begun:.0f} s; answers "
            f"{discord.answers}; each told {counts} times",
            counts == [1, 1] and discord.answers[:2] == [429, 429],
        )

    def expressions(self) -> None:
        health = Counter(rule["health"] for rule in self._scene.prometheus.rules())
        self.say(f"rules by health: {dict(health)}", set(health) == {"ok"})
        everything = [*panels(RATE), *rules()]
        empty = self._scene.without_data(everything)
        wanting = Counter(each.part for each in empty if each.part in ABSENT)
        wrong = [each for each in empty if each.part not in ABSENT]
        self.say(
            f"{len(everything)} expressions: {len(everything) - len(empty)} give data; without data for want of "
            f"{', '.join(f'{part} {count}' for part, count in sorted(wanting.items()))}",
            not wrong,
        )
        for each in wrong:
            self.say(f"{each.place}: {each.text}", ok=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--restarts", type=int, default=100)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--unknown", type=int, default=3000)
    parser.add_argument("--seconds", type=float, default=90, help="of traffic for the pictures")
    parser.add_argument("--pictures", action="store_true")
    given = parser.parse_args()
    os.environ["MINIO_PROMETHEUS_AUTH_TYPE"] = "public"  # as in compose/base.yaml
    with tempfile.TemporaryDirectory() as name, ExitStack() as ending:
        folder, since = Path(name), time.time()
        system = System(folder / "system", API_WORKERS="2", LOG_FORMAT="json", MAX_CONCURRENCY="40")
        ending.callback(system.stop)
        parts = Parts(folder, system, ending)
        scene = ending.enter_context(Scene(folder / "scene", system, **parts.targets))
        proof = Proof(scene, parts)
        proof.say(f"all parts run after {time.time() - since:.0f} s")
        since = time.time()
        proof.known_load(given.requests)
        proof.unknown_paths(given.unknown)
        proof.traffic(given.seconds)
        proof.killed_runner()
        proof.expressions()
        if given.pictures:
            for board in BOARDS:
                target = draw(board, scene.prometheus, since=since, rate=RATE, folder=ROOT / "docs" / "pictures")
                proof.say(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1024} kB")
        proof.restarts(given.restarts)
        return int(proof.failed)


if __name__ == "__main__":
    raise SystemExit(main())
