from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from local.ports import HOST, free_port
from tests.stack import System
from tests.ui.conftest import start_page
from tests.ui.load import measure


def test_twenty_visits_at_once_all_find_something(system: System, tmp_path: Path) -> None:
    """The short form of `make ui-load`."""
    port = free_port()
    child, url = start_page(tmp_path, **system.env, UI_METRICS_PORT=str(port))
    try:
        metrics_url = f"http://{HOST}:{port}/metrics"
        # In a thread: the browser of other tests keeps an event loop running in this one.
        with ThreadPoolExecutor(1) as threads:
            load, api = threads.submit(measure, url, metrics_url, count=20, seconds=6, pause=2).result()
        assert load.problems == []
        assert len(load.seconds) >= 20
        assert api > 0
        metrics = httpx.get(metrics_url, trust_env=False).text
        assert 'fashion_ui_searches_total{outcome="found"}' in metrics
        assert 'fashion_ui_page_seconds_count{view="results"}' in metrics
    finally:
        child.stop()
