"""Takes the pictures of the search page for docs/pictures: `make screenshots`, while `make run` is up."""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
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
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        bad = Path(folder) / "cut-off.jpg"
        bad.write_bytes(_PHOTO.read_bytes()[:9000])
        # A page of its own whose service is not there.
        alone, alone_url = start_page(Path(folder), UI_API_URL="http://127.0.0.1:9")
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
        ]  # fmt: skip
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            for at, shot in shots:
                sys.stdout.write(f"{shot.name}.webp: {_take(browser, at, shot) / 1000:.0f} kB\n")
        finally:
            browser.close()
            alone.stop()


if __name__ == "__main__":
    main()
