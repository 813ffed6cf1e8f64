"""`make ui-load`: twenty visits at once for a minute, on a system of its own; prints what they saw."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import httpx

from local.ports import HOST, free_port
from tests.stack import System
from tests.ui.conftest import start_page
from tests.ui.visits import Load, histogram_median, visits


def measure(url: str, metrics_url: str, *, count: int, seconds: float, pause: float) -> tuple[Load, float]:
    """The load of so many visits, and the median seconds of the calls to the service meanwhile."""
    asyncio.run(visits(url, 1, 3, 0.5))  # the first run of a page imports and connects
    before = httpx.get(metrics_url, trust_env=False).text
    load = asyncio.run(visits(url, count, seconds, pause))
    after = httpx.get(metrics_url, trust_env=False).text
    return load, histogram_median((before, after), "fashion_ui_api_seconds")


def main() -> int:
    """Start everything, measure, print; the exit status tells whether a search failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pause", type=float, default=4, help="mean seconds between the searches of one visit")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        system, port = System(Path(folder)), free_port()
        try:
            page, url = start_page(Path(folder), **system.env, UI_METRICS_PORT=str(port))
            try:
                load, api = measure(url, f"http://{HOST}:{port}/metrics", count=given.visits, seconds=given.seconds,
                                    pause=given.pause)  # fmt: skip
            finally:
                page.stop()
        finally:
            system.stop()
    sys.stdout.write(
        f"{len(load.seconds)} searches of {given.visits} visits in {given.seconds:g} s, {len(load.problems)} failed\n"
        f"median of a search until the page is finished: {load.median * 1000:.0f} ms\n"
        f"median of the calls to the service: {api * 1000:.0f} ms; the page's own time on top: "
        f"{(load.median - api) * 1000:.0f} ms\n"
    )
    return 1 if load.problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
