"""Every alert fires when it should, is silent when it should be, and tells a person what to do."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.monitoring.programs import MONITORING, ROOT, RULES, program

TESTS = sorted((MONITORING / "prometheus" / "tests").glob("*.yml"))
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()


def _alerts() -> list[dict[str, Any]]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_prometheus_takes_the_configuration() -> None:
    command = [program("promtool"), "check", "config", str(MONITORING / "prometheus" / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_promtool_tests_pass(path: Path) -> None:
    command = [program("promtool"), "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_seen_to_fire_and_to_be_silent() -> None:
    cases: dict[str, list[bool]] = defaultdict(list)
    for path in TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test.get("alert_rule_test", ()):
                cases[case["alertname"]].append(bool(case["exp_alerts"]))
    assert {rule["alert"] for rule in _alerts()} == set(cases)
    assert [name for name, fires in cases.items() if set(fires) != {True, False}] == []


def test_the_names_that_people_know_are_kept() -> None:
    assert {"NodeOutOfMemory", "ContainerHighMemoryUsage", "SearchRequestHighLatency"} <= {
        rule["alert"] for rule in _alerts()
    }


@pytest.mark.parametrize("rule", _alerts(), ids=lambda rule: rule["alert"])
def test_each_alert_has_a_severity_a_summary_with_its_place_and_a_page(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    # The burn rate is that of the whole service; all others name the instance.
    assert "$labels.instance" in rule["annotations"]["summary"] or rule["alert"] == "ErrorBudgetBurn"
    assert rule["annotations"]["description"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
    assert f"\n## {rule['alert']}\n" in RUNBOOK
    # Without `for`, the expression itself must look at a stretch of time.
    assert "for" in rule or re.search(r"(increase|changes)\(", rule["expr"])


def test_the_runbook_has_no_page_without_an_alert() -> None:
    assert set(re.findall(r"(?m)^## (\w+)$", RUNBOOK)) == {rule["alert"] for rule in _alerts()}
