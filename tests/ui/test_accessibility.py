from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.ui.axe import serious_findings

VIEWS = {
    "first visit": ("/", ".fs-examples img"),
    "results": ("/?q=black+leather+jacket", ".fs-match"),
    "large view": ("/?q=jacket&item=images%2F055-jacket-black", ".fs-large img"),
    "nothing found": ('/?q=dress&f={"category":["boots"],"colour":["pink"]}', "text=Search without filters"),
    "words and picture": ("/?q=jacket&like=images%2F055-jacket-black", ".stSlider"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_no_serious_finding(browser: Browser, page_url: str, view: str, scheme: str) -> None:
    path, shown = VIEWS[view]
    page = browser.new_page(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(page_url + path)
    expect(page.locator(shown).first).to_be_visible(timeout=30_000)
    assert serious_findings(page) == []
    page.close()


def test_the_open_boxes_have_no_serious_finding(page: Page, page_url: str) -> None:
    page.goto(f"{page_url}/?q=jacket")
    for name in ("Photo", "Filters"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_test_id("stPopoverBody")).to_be_visible()
        assert serious_findings(page) == []
        page.keyboard.press("Escape")
        expect(page.get_by_test_id("stPopoverBody")).to_have_count(0)


def test_the_keyboard_reaches_a_result_and_opens_it(page: Page, page_url: str) -> None:
    page.goto(f"{page_url}/?q=black+leather+jacket")
    photo = page.locator(".fs-photo").first
    expect(photo).to_be_visible()
    page.get_by_label("What are you looking for?").focus()
    for _ in range(12):
        page.keyboard.press("Tab")
        if photo.evaluate("link => link === document.activeElement"):
            break
    expect(photo).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".fs-large")).to_be_visible()


def test_the_page_names_its_language_and_itself(page: Page, page_url: str) -> None:
    page.goto(page_url)
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page).to_have_title("Fashion search")
    assert page.get_by_role("heading", level=1).inner_text() == "Fashion search"
