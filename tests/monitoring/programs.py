"""Real Prometheus, Alertmanager, node exporter and alert webhook, on free ports, fed with the project's own files."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from local.ports import HOST, free_port
from local.processes import Child
from local.servers import http_ok

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "monitoring"
RULES = sorted((MONITORING / "prometheus" / "rules").glob("*.yml"))
_START_TIMEOUT = 60.0


def program(name: str) -> str:
    """The path of a program; the test is skipped, and says so, where it is not installed."""
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin:/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (scripts/test-tools.sh installs it)")
    return found


def prometheus_config(
    targets: Mapping[str, list[str]], *, alertmanager: str | None = None, rules: list[Path] | None = None
) -> dict[str, Any]:
    """The project's configuration with addresses of this machine; parts that are not here are left out.

    Everything is asked once a second, so that a test need not wait for minutes.
    """
    config: dict[str, Any] = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
    config["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(path) for path in (RULES if rules is None else rules)]
    jobs = []
    for job in config["scrape_configs"]:
        if (addresses := targets.get(job["job_name"])) is None:
            continue
        kept = {key: job[key] for key in ("job_name", "metrics_path", "metric_relabel_configs") if key in job}
        jobs.append(kept | {"static_configs": [{"targets": addresses}]})
    config["scrape_configs"] = jobs
    config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]} if alertmanager else {}
    return config


def quick_rules(folder: Path, *, longest: str = "1s") -> list[Path]:
    """Copies of the rules in which nothing has to hold for longer than `longest`, nor is it computed more rarely."""
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for path in RULES:
        copy = folder / path.name
        text = re.sub(r"(?m)^(\s+)for: .*$", rf"\1for: {longest}", path.read_text())
        copy.write_text(re.sub(r"(?m)^    interval: .*$", "    interval: 1s", text))
        copies.append(copy)
    return copies


class Prometheus:
    """A Prometheus server."""

    def __init__(self, folder: Path, config: dict[str, Any], *, itself: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "prometheus.yml"
        self.port = free_port()
        self.address = f"{HOST}:{self.port}"
        if itself:
            watched = {"job_name": "prometheus", "static_configs": [{"targets": [self.address]}]}
            config["scrape_configs"].append(watched)
        file.write_text(yaml.safe_dump(config))
        arguments = [f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
        arguments += [f"--web.listen-address={self.address}", "--web.enable-lifecycle", "--log.level=warn"]
        self._child = Child("Prometheus", [program("prometheus"), *arguments], env={}, log=folder / "prometheus.log")
        self._child.wait_ready(lambda: http_ok(f"http://{self.address}/-/ready"), timeout=_START_TIMEOUT)
        self._http = httpx.Client(base_url=f"http://{self.address}", trust_env=False, timeout=30)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The vector that an expression gives now; `value[1]` of each is the figure, as text."""
        answer = self._http.get("/api/v1/query", params={"query": expression}).json()
        if answer["status"] != "success":
            raise AssertionError(f"{expression}: {answer.get('error')}")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series that an expression gives over time."""
        parameters: dict[str, Any] = {"query": expression, "start": start, "end": end, "step": step}
        answer = self._http.get("/api/v1/query_range", params=parameters).json()
        if answer["status"] != "success":
            raise AssertionError(f"{expression}: {answer.get('error')}")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def number(self, expression: str) -> float | None:
        """The one figure of an expression, or None where there is no data."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def alerts(self) -> dict[str, str]:
        """The state of each alert that is pending or firing."""
        found = self._http.get("/api/v1/alerts").json()["data"]["alerts"]
        return {alert["labels"]["alertname"]: alert["state"] for alert in found}

    def rules(self) -> list[dict[str, Any]]:
        """All rules with their health."""
        groups = self._http.get("/api/v1/rules").json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def stop(self) -> None:
        self._http.close()
        self._child.stop()


class Alertmanager:
    """An Alertmanager with the project's configuration, its waits shortened to a second."""

    def __init__(self, folder: Path, webhook_url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = yaml.safe_load((MONITORING / "alertmanager" / "alertmanager.yml").read_text())
        for route in (config["route"], *config["route"]["routes"]):
            for wait in ("group_wait", "group_interval"):
                if wait in route:
                    route[wait] = "1s"
        config["receivers"][0]["webhook_configs"][0]["url"] = webhook_url
        file = folder / "alertmanager.yml"
        file.write_text(yaml.safe_dump(config))
        self.address = f"{HOST}:{free_port()}"
        arguments = [f"--config.file={file}", f"--storage.path={folder / 'data'}", "--cluster.listen-address="]
        arguments += [f"--web.listen-address={self.address}"]
        command = [program("prometheus-alertmanager"), *arguments]
        self._child = Child("Alertmanager", command, env={}, log=folder / "alertmanager.log")
        self._child.wait_ready(lambda: http_ok(f"http://{self.address}/-/ready"), timeout=_START_TIMEOUT)

    def stop(self) -> None:
        self._child.stop()


class NodeExporter:
    """The host's own figures."""

    def __init__(self, folder: Path) -> None:
        self.address = f"{HOST}:{free_port()}"
        command = [program("prometheus-node-exporter"), f"--web.listen-address={self.address}"]
        self._child = Child("the node exporter", command, env={}, log=folder / "node-exporter.log")
        self._child.wait_ready(lambda: http_ok(f"http://{self.address}/metrics"), timeout=_START_TIMEOUT)

    def stop(self) -> None:
        self._child.stop()


class Webhook:
    """The alert webhook as its own process; a second one may take up the first one's folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.log = folder / "webhook.log"
        self.address = f"{HOST}:{free_port()}"
        variables = {
            "PYTHONPATH": str(ROOT),
            "ALERT_WEBHOOK_HOST": HOST,
            "ALERT_WEBHOOK_PORT": self.address.rpartition(":")[2],
            "ALERT_WEBHOOK_SPOOL": str(folder / "spool"),
            "DISCORD_WEBHOOK_URL": "",
            "LOG_FORMAT": "json",
            "NO_PROXY": "*",
            **environment,
        }
        command = [sys.executable, "-m", "monitoring.alert_webhook"]
        self._child = Child("the alert webhook", command, env=variables, log=self.log, cwd=folder)
        self._child.wait_ready(lambda: http_ok(f"http://{self.address}/livez"), timeout=_START_TIMEOUT)

    @property
    def url(self) -> str:
        return f"http://{self.address}/alert"

    def post(self, body: Any) -> httpx.Response:
        return httpx.post(self.url, json=body, trust_env=False, timeout=30)

    def metric(self, name: str) -> float:
        """A metric with its labels as the scrape writes it, e.g. `up{job="x"}`; 0 where it is not there."""
        text = httpx.get(f"http://{self.address}/metrics", trust_env=False, timeout=30).text
        lines = [line for line in text.splitlines() if line.rpartition(" ")[0] == name]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0

    def dead_letters(self) -> list[Path]:
        return sorted((self.folder / "spool" / "dead").glob("*.json"))

    def pending(self) -> list[Path]:
        return sorted((self.folder / "spool" / "pending").glob("*.json"))

    def stop(self) -> None:
        self._child.stop()

    def kill(self) -> None:
        self._child.kill()
