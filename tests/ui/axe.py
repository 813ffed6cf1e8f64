"""axe-core, the accessibility checker, in a page. It comes from the npm registry and is kept in `.cache`."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.stack import ROOT

_VERSION = "4.14.1"
# What is being replaced, or is fading in, is paler for a moment than it will be.
_AT_REST = """() => document.querySelector('[data-test-script-state="notRunning"]')
    && !document.querySelector('[data-stale="true"]')
    && document.getAnimations().every(each => each.effect.getComputedTiming().endTime === Infinity
        || each.playState !== 'running')"""
_FOLDER = ROOT / ".cache" / "npm"


def axe_source() -> str:
    """axe-core's script; skips the test, with the reason, where npm is not to be had."""
    script = _FOLDER / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed: axe-core comes from its registry")
        _FOLDER.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund"]
        subprocess.run([*command, "--prefix", str(_FOLDER), f"axe-core@{_VERSION}"], check=True, timeout=120)
    return script.read_text(encoding="utf-8")


def serious_findings(page: Page) -> list[str]:
    """What axe-core calls serious or critical on the page once it is at rest: rule, and the elements that break it."""
    page.wait_for_function(_AT_REST)
    # Not as a script element: the page is checked as it is served.
    page.evaluate(axe_source())
    violations: list[dict[str, Any]] = page.evaluate("axe.run(document).then(found => found.violations)")
    return [
        f"{found['id']}: {node['html'][:200]}"
        for found in violations
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]
