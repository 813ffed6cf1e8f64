"""Prometheus, Alertmanager, webhook and node exporter around a running service, and what they are asked."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import psutil

from tests.monitoring.discord_stand_in import Discord, discord
from tests.monitoring.expressions import Expression
from tests.monitoring.known_load import QUERIES, Counts
from tests.monitoring.programs import Alertmanager, NodeExporter, Prometheus, Webhook, prometheus_config, quick_rules
from tests.monitoring.waiting import until
from tests.stack import System


class Scene:
    """Everything that watches, each second, with the project's own files. Used as a context."""

    def __init__(self, folder: Path, system: System, **more: list[str]) -> None:
        self._exit = ExitStack()
        self.system = system
        try:
            self.discord: Discord = self._exit.enter_context(discord())
            self.webhook = Webhook(folder / "webhook", DISCORD_WEBHOOK_URL=self.discord.url)
            self._exit.callback(self.webhook.stop)
            self.alertmanager = Alertmanager(folder / "alertmanager", self.webhook.url)
            self._exit.callback(self.alertmanager.stop)
            node = NodeExporter(folder / "node")
            self._exit.callback(node.stop)
            targets = {
                "service": [f"127.0.0.1:{system.port}"],
                "node": [node.address],
                "alertmanager": [self.alertmanager.address],
                "alert_webhook": [self.webhook.address],
                **more,
            }
            config = prometheus_config(
                targets, alertmanager=self.alertmanager.address, rules=quick_rules(folder / "rules")
            )
            self.prometheus = Prometheus(folder / "prometheus", config, itself=True)
            self._exit.callback(self.prometheus.stop)
            self.began = time.time()
        except BaseException:
            self._exit.close()
            raise

    def __enter__(self) -> Scene:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    # --- what Prometheus knows

    def scraped_after(self, moment: float, job: str = "service") -> None:
        """Return when a scrape that began after `moment` (seconds of the epoch) has been stored."""
        until(
            lambda: (
                (self.prometheus.number(f'min(timestamp(up{{job="{job}"}}))') or 0) > moment
                and self.prometheus.number(f'min(up{{job="{job}"}})') == 1
            ),
            what=f"a scrape of {job}", timeout=120,
        )  # fmt: skip

    def counts(self) -> Counts:
        """All counters of `known_load` as they are now."""
        self.scraped_after(time.time())
        found: Counts = Counter()
        for kind, (expression, labels) in QUERIES.items():
            for series in self.prometheus.query(f"sum by ({', '.join(labels)}) ({expression})"):
                name = "|".join([kind, *(series["metric"][label] for label in labels)])
                found[name] = int(float(series["value"][1]))
        return found

    def series(self) -> int:
        """Series of the service's scrape."""
        self.scraped_after(time.time())
        return int(self.prometheus.number('sum(scrape_samples_scraped{job="service"})') or 0)

    def workers(self) -> int:
        return int(self.prometheus.number('sum(model_serving_active_workers{job="service"})') or 0)

    def without_data(self, expressions: list[Expression]) -> list[Expression]:
        """Those that gave no series at any time since everything runs."""
        now, step = time.time(), 5.0
        return [each for each in expressions if not self.prometheus.query_range(each.text, self.began, now, step)]

    # --- what is done to the service

    def kill_a_worker(self) -> None:
        """Kill an API process; returns when another has taken its place and all are counted."""
        before = self.system.api_pids()
        psutil.Process(before[0]).kill()
        until(
            lambda: len(now := self.system.api_pids()) == len(before) and before[0] not in now,
            what="a new worker", timeout=120,
        )  # fmt: skip
        self.scraped_after(time.time())
        until(lambda: self.workers() == len(before), what=f"{len(before)} active workers", timeout=120)
