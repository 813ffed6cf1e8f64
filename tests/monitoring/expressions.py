"""Every expression that somebody relies on, and what it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from monitoring.grafana.boards.all import BOARDS
from tests.monitoring.programs import RULES

_PARTS = {
    "container_": "cAdvisor",
    "elasticsearch_": "Elasticsearch",
    "fluentbit_": "Fluent Bit",
    "milvus_": "Milvus",
    "minio_": "the object store's metrics",
    "etcd_": "etcd",
    "nginx_": "nginx' exporter",
    "fashion_ui_": "the search page",
    "etl_": "a load",
    "alert_webhook_": "the alert webhook",
    "alertmanager_": "Alertmanager",
    "node_": "the node exporter",
}
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True)
class Expression:
    """One expression, with its place in words."""

    place: str
    text: str

    @property
    def part(self) -> str | None:
        """The part beside service and Prometheus whose metrics it reads; None: it needs no other."""
        bare = _QUOTED.sub("", self.text)
        return next((part for prefix, part in _PARTS.items() if re.search(rf"\b{prefix}", bare)), _job(self.text))


def _job(text: str) -> str | None:
    jobs = {"milvus": "Milvus", "minio": "the object store's metrics"}
    found = re.search(r'job="(\w+)"', text)
    return jobs.get(found.group(1)) if found else None


def panels(rate: str) -> list[Expression]:
    """What the dashboards ask, with `rate` in place of Grafana's variable."""
    return [
        Expression(f"{board.title} / {panel.title}", query.expression.replace("$__rate_interval", rate))
        for board in BOARDS
        for panel in board.panels
        for query in panel.queries
    ]


def rules() -> list[Expression]:
    """What the rules ask; an alert's conditions made figures, so that a silent alert gives data too."""
    found = []
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    found.append(Expression(f"alert {rule['alert']}", as_figures(rule["expr"])))
                else:
                    found.append(Expression(f"recorded {rule['record']}", rule["expr"]))
    return found


def as_figures(expression: str) -> str:
    """The expression with comparisons that answer 0 or 1 instead of leaving out, and `and` in place of `unless`.

    It gives data exactly where all its sides have data.
    """
    places: list[str] = []

    def put_aside(match: re.Match[str]) -> str:
        places.append(match.group(0))
        return f"@{len(places) - 1}@"

    text = re.sub(r"\{[^{}]*\}", put_aside, expression)  # a matcher's = and != are no comparisons
    text = re.sub(r"(==|!=|>=|<=|>|<)(?!=)", r"\1 bool", text)
    text = re.sub(r"\bunless\b", "and", text)
    return re.sub(r"@(\d+)@", lambda match: places[int(match.group(1))], text)
