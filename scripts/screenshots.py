"""Takes the pictures of the search page for docs/pictures: `make screenshots`, while `make run` is up."""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.stack import ROOT, SAMPLE
from tests.ui.conftest import CHROMIUM, QUIET, start_page

_OUT = ROOT / "docs" / "pictures"
_PHOTO = SAMPLE / "images" / "055-jacket-black.jpg"
_PAINTED = "[...document.querySelectorAll('.fs-grid img, .fs-large img')].every(i => !i.src || i.naturalWidth > 0)"


@dataclass(frozen=True)
class Shot:
    """One picture: where the page is opened, what is done there, and what shows that it is ready."""

    name: str
    path: str
    ready: str
    act: Callable[[Page], None] | None = None
    size: tuple[int, int] = (1000, 900)
    dark: bool = False


def _add(photo: Path) -> Callable[[Page], None]:
    def add(page: Page) -> None:
        page.get_by_role("button", name="Photo").click()
        page.locator("input[type=file]").set_input_files(photo)

    return add


def _open_filters(page: Page) -> None:
    page.locator(".fs-match").first.wait_for()
    page.get_by_role("button", name="Filters").click()


@contextmanager
def _troubled() -> Iterator[str]:
    """The address of a service in trouble: the word "slow" keeps it busy for long, all else is too much for it."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if b"slow" in asked:
                time.sleep(8)
            body = json.dumps({"error": {"code": "rate_limited", "message": "too many requests"}}).encode()
            self.send_response(429)
            self.send_header("Retry-After", "20")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            # The browser may have left for the next picture.
            with suppress(OSError):
                self.wfile.write(body)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            """Its calls are no news."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def _take(browser: Browser, url: str, shot: Shot) -> int:
    page = browser.new_page(
        viewport={"width": shot.size[0], "height": shot.size[1]}, color_scheme="dark" if shot.dark else "light"
    )
    page.set_default_timeout(30_000)
    page.goto(url + shot.path)
    if shot.act:
        page.locator(".fs-name").wait_for()
        shot.act(page)
    page.locator(shot.ready).first.wait_for()
    page.wait_for_function(f"{_PAINTED} || document.querySelector('img[loading=lazy]') !== null")
    page.wait_for_timeout(1200)  # animations of boxes and the spinner come to rest
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    target = _OUT / f"{shot.name}.webp"
    picture.save(target, quality=62, method=6)
    page.close()
    return target.stat().st_size


def main() -> None:
    """Take all pictures, and say what they weigh."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8501", help="the running search page")
    url = parser.parse_args().url.rstrip("/")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, _troubled() as troubled:
        bad = Path(folder) / "cut-off.jpg"
        bad.write_bytes(_PHOTO.read_bytes()[:9000])
        # Pages of their own, whose service is not there or in trouble.
        alone, alone_url = start_page(Path(folder), UI_API_URL="http://127.0.0.1:9")
        busy, busy_url = start_page(Path(folder), UI_API_URL=troubled)
        shots = [
            (url, Shot("search-first-visit", "/", ".fs-examples img")),
            (url, Shot("search", "/?q=black+leather+jacket", ".fs-match")),
            (url, Shot("search-dark", "/?q=burgundy+skirt", ".fs-match", dark=True)),
            (url, Shot("search-photo-and-words", "/?q=green", ".stSlider", _add(_PHOTO))),
            (url, Shot("search-filters", "/?q=jacket", "[data-testid=stPopoverBody]", _open_filters)),
            (url, Shot("search-item", "/?q=jacket&item=images%2F055-jacket-black", ".fs-large img")),
            (url, Shot("search-narrow", "/?q=blue+jeans", ".fs-match", size=(400, 800))),
            (url, Shot("search-nothing", '/?q=dress&f={"category":["boots"],"colour":["pink"]}',
                       "text=Search without filters", size=(1000, 560))),
            (url, Shot("search-bad-photo", "/", "text=Search without the photo", _add(bad), size=(1000, 560))),
            (alone_url, Shot("search-away", "/?q=red+dress", "text=Try again now", size=(1000, 480))),
            (busy_url, Shot("search-busy", "/?q=red+dress", "text=Try again now", size=(1000, 480))),
            (busy_url, Shot("search-searching", "/?q=slow+fashion", ".stSpinner", size=(1000, 480))),
        ]  # fmt: skip
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            for at, shot in shots:
                sys.stdout.write(f"{shot.name}.webp: {_take(browser, at, shot) / 1000:.0f} kB\n")
        finally:
            browser.close()
            alone.stop()
            busy.stop()


if __name__ == "__main__":
    main()
