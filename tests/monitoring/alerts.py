"""Alert groups as Alertmanager posts them."""

from __future__ import annotations

from typing import Any


def alert(
    name: str = "ServiceDown", *, status: str = "firing", instance: str = "s1:3000", **more: str
) -> dict[str, Any]:
    ends = "2026-03-01T10:05:00Z" if status == "resolved" else "0001-01-01T00:00:00Z"
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "critical", "instance": instance, **more},
        "annotations": {
            "summary": f"Search service {instance} does not answer",
            "description": "Prometheus has had no answer.",
            "runbook_url": f"docs/runbook.md#{name.lower()}",
        },
        "startsAt": "2026-03-01T10:00:00Z",
        "endsAt": ends,
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": "abc",
    }


def group(*alerts: dict[str, Any]) -> dict[str, Any]:
    """A group of alerts; firing while one of them is."""
    firing = any(each["status"] == "firing" for each in alerts)
    return {
        "version": "4",
        "groupKey": '{}:{alertname="ServiceDown"}',
        "truncatedAlerts": 0,
        "status": "firing" if firing else "resolved",
        "receiver": "discord",
        "groupLabels": {"alertname": alerts[0]["labels"]["alertname"] if alerts else "none"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": list(alerts),
    }
