from __future__ import annotations

import base64
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.stack import SAMPLE, System
from tests.ui.conftest import start_page

PHOTO = SAMPLE / "images" / "055-jacket-black.jpg"
TITLE = "black leather biker jacket with a belt"


def results(page: Page) -> list[str]:
    """The titles of the results, once they are all painted."""
    expect(page.locator(".fs-match").first).to_be_visible()
    # While the page is being built, results of the search before may still stand in it.
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_function(
        "[...document.querySelectorAll('.fs-grid img')].every(i => i.complete || i.loading == 'lazy')"
    )
    return page.locator(".fs-title").all_text_contents()


def add_photo(page: Page, photo: Path) -> None:
    page.get_by_role("button", name="Photo").click()
    page.locator("input[type=file]").set_input_files(photo)


def search(page: Page, words: str) -> None:
    page.get_by_label("What are you looking for?").fill(words)
    page.get_by_role("button", name="Search", exact=True).click()


def test_first_visit_shows_searches_to_click(page: Page, page_url: str) -> None:
    page.goto(page_url)
    expect(page.locator(".fs-examples li")).to_have_count(6)
    page.get_by_role("link", name="denim jacket").click()
    assert len(results(page)) == 9
    assert "q=denim" in page.url


def test_words_find_photos_that_are_painted(page: Page, page_url: str) -> None:
    page.goto(page_url)
    search(page, "black leather jacket")
    assert TITLE in results(page)[:3]
    page.wait_for_function("document.querySelector('.fs-grid img').naturalWidth > 0")
    expect(page.get_by_text("“a photo of black leather jacket.”")).to_be_visible()
    assert page.locator(".fs-grid img").first.get_attribute("alt")


def test_a_photo_finds_itself_and_words_join_it(page: Page, page_url: str) -> None:
    page.goto(page_url)
    add_photo(page, PHOTO)
    expect(page.get_by_text("Results for your photo")).to_be_visible()
    assert results(page)[0] == TITLE
    expect(page.get_by_role("img", name="Your photo")).to_be_visible()
    search(page, "white sneakers")
    expect(page.get_by_text("and your photo")).to_be_visible()
    both = results(page)
    slider = page.get_by_role("slider")
    slider.press("End")
    page.wait_for_url("**w=1*")
    expect(page.locator(".fs-title").first).not_to_have_text(both[0])


def test_a_link_can_be_shared_and_gone_back_from(page: Page, page_url: str, browser: Browser) -> None:
    page.goto(page_url)
    search(page, "red dress")
    first = results(page)
    page.get_by_role("link", name="More like this").first.click()
    expect(page.get_by_text("items like")).to_be_visible()
    similar = results(page)
    assert first[0] not in similar
    other = browser.new_page()
    other.goto(page.url)
    expect(other.locator(".fs-match").first).to_be_visible()
    assert other.locator(".fs-title").all_text_contents() == similar
    other.close()
    page.go_back()
    expect(page.get_by_text("“a photo of red dress.”")).to_be_visible()
    assert results(page) == first
    expect(page.get_by_label("What are you looking for?")).to_have_value("red dress")


def test_a_photo_is_kept_through_a_large_view_but_not_by_a_link(page: Page, page_url: str, browser: Browser) -> None:
    page.goto(page_url)
    add_photo(page, PHOTO)
    expect(page.get_by_text("Results for your photo")).to_be_visible()
    first = results(page)
    page.locator(".fs-photo").nth(1).click()
    expect(page.get_by_role("heading", name=first[1])).to_be_visible()
    page.get_by_role("link", name="Back to the results").click()
    expect(page.get_by_text("Results for your photo")).to_be_visible()
    assert results(page) == first
    other = browser.new_page()
    other.goto(page.url)
    expect(other.get_by_text("a link cannot carry one")).to_be_visible()
    other.close()
    page.get_by_role("button", name="Remove photo").click()
    expect(page.locator(".fs-examples")).to_be_visible()


def test_a_photo_can_be_pasted(page: Page, page_url: str) -> None:
    page.goto(page_url)
    expect(page.locator(".fs-examples")).to_be_visible()
    expect(page.locator("html[data-bridge=open]")).to_be_attached()  # the page listens to the clipboard
    page.evaluate(
        """data => {
            const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([bytes], "pasted.jpg", {type: "image/jpeg"}));
            document.body.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true}));
        }""",
        base64.b64encode(PHOTO.read_bytes()).decode(),
    )
    expect(page.get_by_text("Results for your photo")).to_be_visible()
    assert results(page)[0] == TITLE


def test_a_photo_can_be_taken_with_the_camera(page: Page, page_url: str) -> None:
    page.goto(page_url)
    page.get_by_role("button", name="Photo").click()
    page.get_by_text("Use the camera").click()
    # A person waits until the camera shows something: before that, the button takes nothing.
    page.wait_for_function("document.querySelector('video')?.videoWidth > 0 && !document.querySelector('video').paused")
    page.get_by_role("button", name="Take photo").click()
    expect(page.get_by_text("Results for your photo")).to_be_visible()
    assert len(results(page)) == 9


def test_filters_narrow_the_results_and_live_in_the_address(page: Page, page_url: str) -> None:
    page.goto(f"{page_url}/?q=jacket")
    results(page)
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("combobox", name="Colour").fill("blue")
    page.get_by_role("option", name="blue", exact=False).first.click()
    page.wait_for_url("**colour**")
    expect(page.get_by_text("only blue")).to_be_visible()
    expect(page.locator("li .fs-fields").filter(has_not_text="blue")).to_have_count(0)
    assert results(page)


def test_large_view_and_back_to_the_results(page: Page, page_url: str) -> None:
    page.goto(f"{page_url}/?q=black+leather+jacket")
    results(page)
    page.get_by_role("link", name=f"Show {TITLE} large").click()
    expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
    page.get_by_role("link", name="Back to the results").click()
    assert len(results(page)) == 9


def test_more_results(page: Page, page_url: str) -> None:
    page.goto(f"{page_url}/?q=dress")
    results(page)
    page.get_by_role("button", name="Show more").click()
    expect(page.locator(".fs-match")).to_have_count(18)


def test_nothing_found_offers_to_drop_the_filters(page: Page, page_url: str) -> None:
    page.goto(page_url + '/?q=dress&f={"category":["boots"],"colour":["pink"]}')
    page.get_by_role("button", name="Search without filters").click()
    assert len(results(page)) == 9


def test_a_bad_photo_is_told_in_plain_words(page: Page, page_url: str, tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_text("this is no photo")
    page.goto(page_url)
    add_photo(page, tmp_path / "words.jpg")
    expect(page.get_by_text("not a photo we can read")).to_be_visible()
    page.get_by_role("button", name="Search without the photo").click()
    expect(page.locator(".fs-examples")).to_be_visible()


def test_works_on_a_narrow_screen(page: Page, page_url: str) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto(f"{page_url}/?q=jeans")
    results(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_the_service_away_is_told_kindly(browser: Browser, system: System, tmp_path: Path) -> None:
    child, url = start_page(tmp_path, **{**system.env, "MODEL_SERVING_PORT": "9"})
    try:
        page = browser.new_page()
        page.goto(f"{url}/?q=red+dress")
        expect(page.get_by_text("not reachable at the moment")).to_be_visible(timeout=30_000)
        expect(page.get_by_role("button", name="Try again now")).to_be_visible()
        expect(page.get_by_label("What are you looking for?")).to_have_value("red dress")
        assert "Traceback" not in page.content()
        page.close()
    finally:
        child.stop()
