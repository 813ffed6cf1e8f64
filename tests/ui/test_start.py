"""The page as its container starts it."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx

from local.ports import HOST, free_port
from local.processes import Child
from local.servers import http_ok
from tests.stack import ROOT


def test_its_metrics_answer_before_anybody_visits(tmp_path: Path) -> None:
    page, metrics = free_port(), free_port()
    command = [sys.executable, "-m", "ui", f"--server.address={HOST}", f"--server.port={page}"]
    child = Child("the page", command, env={"UI_METRICS_PORT": str(metrics)}, log=tmp_path / "log", cwd=ROOT)
    try:
        child.wait_ready(lambda: http_ok(f"http://{HOST}:{page}/_stcore/health"), timeout=60)
        assert "fashion_ui_page_seconds" in httpx.get(f"http://{HOST}:{metrics}/metrics", trust_env=False).text
    finally:
        child.stop()
