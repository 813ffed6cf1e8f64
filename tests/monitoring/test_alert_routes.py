"""Alertmanager takes its configuration, and its inhibitions name alerts that exist."""

from __future__ import annotations

import re
import subprocess

import yaml

from tests.monitoring.programs import MONITORING, RULES, program

FILE = MONITORING / "alertmanager" / "alertmanager.yml"


def _amtool(*arguments: str) -> str:
    done = subprocess.run([program("amtool"), *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_amtool_takes_the_configuration() -> None:
    assert "SUCCESS" in _amtool("check-config", str(FILE))


def test_every_alert_reaches_discord() -> None:
    for severity in ("critical", "warning", "anything"):
        route = _amtool("config", "routes", "test", f"--config.file={FILE}", f"severity={severity}", "alertname=X")
        assert route.split() == ["discord"]


def test_inhibitions_name_alerts_that_exist() -> None:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    names = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    rules = yaml.safe_load(FILE.read_text())["inhibit_rules"]
    patterns = [
        pattern
        for rule in rules
        for matcher in (*rule["source_matchers"], *rule["target_matchers"])
        if (found := re.fullmatch(r'alertname=~?"(.+)"', matcher))
        for pattern in found.group(1).split("|")
    ]
    assert len(patterns) > 10
    assert [pattern for pattern in patterns if not any(re.fullmatch(pattern, name) for name in names)] == []
