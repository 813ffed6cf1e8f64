"""What the page does when the service refuses, asks for a key, or hands out links that have expired."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from local.ports import HOST, free_port
from local.processes import Child
from local.servers import http_ok
from tests.stack import ROOT, START_TIMEOUT, System
from tests.ui.conftest import start_page

PAGE_KEY, OTHER_KEY = "key-of-the-page-0123456789", "key-of-the-other-0123456789"
LINKS_VALID = 3


@dataclass(frozen=True)
class Guarded:
    """A second service on the same stores: it asks for keys, limits each, and its links live a few seconds."""

    url: str
    env: dict[str, str]
    log: Path


@pytest.fixture(scope="module")
def guarded(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder, port = tmp_path_factory.mktemp("guarded"), free_port()
    keys = [
        f"{name}:search:{hashlib.sha256(key.encode()).hexdigest()}"
        for name, key in (("page", PAGE_KEY), ("other", OTHER_KEY))
    ]
    env = {
        **system.env,
        "MODEL_SERVING_PORT": str(port),
        "BENTOML_HOME": str(folder / "bentoml"),
        "API_KEYS": ",".join(keys),
        "RATE_LIMIT_PER_MINUTE": "20",
        "PRESIGN_EXPIRES": str(LINKS_VALID),
    }
    command = [str(Path(sys.executable).parent / "bentoml"), "serve", "service:FashionSearch"]
    command += ["--host", HOST, "--port", str(port)]
    child = Child("the guarded service", command, env=env, log=folder / "service.log", cwd=ROOT)
    url = f"http://{HOST}:{port}"
    try:
        child.wait_ready(lambda: http_ok(f"{url}/readyz"), timeout=START_TIMEOUT)
        yield Guarded(url, env, folder / "service.log")
    finally:
        child.stop()


def test_a_key_serves_the_page_and_stays_away_from_the_browser(
    guarded: Guarded, browser: Browser, tmp_path: Path
) -> None:
    child, url = start_page(tmp_path, **guarded.env, UI_API_KEY=PAGE_KEY)
    page = browser.new_page()
    frames: list[str | bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(data)))
    try:
        page.goto(f"{url}/?q=red+dress")
        expect(page.locator(".fs-match")).to_have_count(9, timeout=30_000)
        assert frames
        assert not any(PAGE_KEY.encode() in (f.encode() if isinstance(f, str) else f) for f in frames)
        # The links of this service expire within seconds; opening an item signs a new one.
        first = page.locator(".fs-grid img").first
        old = first.get_attribute("src") or ""
        page.wait_for_timeout((LINKS_VALID + 2) * 1000)  # time itself is what is waited for
        assert httpx.get(old, trust_env=False).status_code == 403
        page.evaluate("document.querySelector('.fs-grid img').src += '&again=1'")
        page.wait_for_function("old => document.querySelector('.fs-grid img').src.split('&again')[0] != old", arg=old)
        page.wait_for_function("document.querySelector('.fs-grid img').naturalWidth > 0")
    finally:
        page.close()
        child.stop()


def test_photos_that_failed_while_the_store_was_away_come_back(browser: Browser, page_url: str) -> None:
    page = browser.new_page()
    try:
        page.route("**/fashion/**", lambda route: route.abort())
        page.goto(f"{page_url}/?q=red+dress")
        expect(page.locator(".fs-grid img[data-failed]")).to_have_count(9)
        page.unroute("**/fashion/**")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # one comes back to the page
        expect(page.locator(".fs-grid img[data-failed]")).to_have_count(0)
        page.wait_for_function(
            "[...document.querySelectorAll('.fs-grid img')].every((image) => image.naturalWidth > 0)"
        )
    finally:
        page.close()


def test_too_many_searches_are_told_and_tried_again(guarded: Guarded, browser: Browser, tmp_path: Path) -> None:
    child, url = start_page(tmp_path, **guarded.env, UI_API_KEY=OTHER_KEY)
    page = browser.new_page()
    try:
        page.goto(url)
        page.get_by_label("What are you looking for?").fill("red dress")
        expect(page.locator(".fs-examples")).to_be_visible(timeout=30_000)
        with httpx.Client(trust_env=False, headers={"X-API-Key": OTHER_KEY}, timeout=30) as other:
            while other.get(f"{guarded.url}/items/none").status_code != 429:
                pass
        page.get_by_role("button", name="Search", exact=True).click()
        expect(page.get_by_text("a lot of searches in a short time")).to_be_visible(timeout=30_000)
        # Nobody clicks: the page tries again by itself.
        expect(page.locator(".fs-match")).to_have_count(9, timeout=60_000)
    finally:
        page.close()
        child.stop()


def test_a_refused_key_is_told_without_a_trace(guarded: Guarded, browser: Browser, tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    child, url = start_page(tmp_path, **guarded.env, UI_API_KEY="wrong", LOG_DIR=str(logs))
    page = browser.new_page()
    try:
        page.goto(f"{url}/?q=red+dress")
        expect(page.get_by_text("its key is refused")).to_be_visible(timeout=30_000)
        assert "Traceback" not in page.content()
        # The details are where the engineer looks, tied to the service's own lines by the request's id.
        told = [json.loads(line) for log in logs.glob("process*.log") for line in log.read_text().splitlines()]
        refused = [line for line in told if "answered 401: unauthorized" in line["message"]]
        assert refused
        assert refused[0]["request_id"] in guarded.log.read_text()
    finally:
        page.close()
        child.stop()
