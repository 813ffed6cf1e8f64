"""The search page in a real browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from local.ports import HOST, free_port
from local.processes import Child
from local.servers import http_ok
from tests.stack import ROOT, System

CHROMIUM = Path("/usr/bin/chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
# Chromium's own test picture stands in for a camera, and nobody is asked for leave to use it.
_CAMERA = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]


def start_page(folder: Path, **env: str) -> tuple[Child, str]:
    """The page's server and its address."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "streamlit"), "run", "ui/app.py"]
    command += ["--server.address", HOST, "--server.port", str(port)]
    child = Child("the page", command, env={"PYTHONPATH": str(ROOT), **env}, log=folder / "page.log", cwd=ROOT)
    url = f"http://{HOST}:{port}"
    child.wait_ready(lambda: http_ok(f"{url}/_stcore/health"), timeout=60)
    return child, url


@pytest.fixture(scope="package")
def page_url(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    child, url = start_page(tmp_path_factory.mktemp("page"), **system.env)
    yield url
    child.stop()


# Not for longer than these tests: its event loop would be in the way of others'.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        expect.set_options(timeout=30_000)
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *_CAMERA])
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser, system: System, page_url: str) -> Iterator[Page]:
    """A new browser window; at its end nothing has gone wrong in it, and nobody else has been asked."""
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    window = context.new_page()
    window.set_default_timeout(30_000)
    problems: list[str] = []
    window.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    window.on("pageerror", lambda error: problems.append(str(error)))
    allowed = (page_url, page_url.replace("http", "ws"), f"http://{HOST}:{system.stores.s3_port}", "data:", "blob:")

    def check(request: Request) -> None:
        if not request.url.startswith(allowed):
            problems.append(f"asked {request.url}")

    window.on("request", check)
    yield window
    context.close()
    assert problems == []
