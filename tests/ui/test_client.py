from __future__ import annotations

from typing import Any

import pytest

from tests.stack import System
from ui.client import SearchClient, SearchFailed, failure
from ui.metrics import Metrics
from ui.photos import remember
from ui.settings import UiSettings


def client(**settings: Any) -> SearchClient:
    return SearchClient(UiSettings(_env_file=None, **settings), Metrics())


def refused(code: str) -> dict[str, dict[str, str]]:
    return {"error": {"code": code, "message": "for developers"}}


@pytest.mark.parametrize("code", ["overloaded", "rate_limited"])
def test_too_many_requests_wait_as_long_as_the_service_says(code: str) -> None:
    told = failure(429, refused(code), "7")
    assert (told.kind, told.wait) == ("busy", 7.0)
    assert failure(429, refused(code), "86400").wait == 60.0
    assert failure(429, refused(code), "Wed, 21 Oct 2026 07:28:00 GMT").wait == 3.0


def test_a_bad_photo_is_not_tried_again() -> None:
    for code in ("truncated_image", "corrupt_image", "image_too_large", "extreme_aspect_ratio", "empty_file"):
        told = failure(422, refused(code))
        assert told.kind == "photo"
        assert told.wait == 0
        assert "for developers" not in told.message


def test_an_answer_that_is_not_the_services_counts_as_away() -> None:
    for content in ({}, {"error": "x"}, {"error": {"code": ["x"]}}):
        assert failure(502, content).kind == "away"


def test_a_service_that_is_away_is_told_in_one_sentence() -> None:
    with pytest.raises(SearchFailed) as told:
        client(ui_api_url="http://127.0.0.1:9").search(query="red dress")
    assert told.value.kind == "away"
    assert "127.0.0.1" not in told.value.message


def test_a_proxy_of_the_environment_is_not_asked_for_the_service(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert len(client(ui_api_url=system.url).search(query="red dress").results) == 9
    with pytest.raises(SearchFailed):
        client(ui_api_url=system.url, ui_use_proxy=True).search(query="red dress")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert client(ui_api_url=system.url, ui_use_proxy=True).search(query="red dress").results


def test_the_key_is_a_secret_of_the_server() -> None:
    settings = UiSettings(_env_file=None, ui_api_key="quite secret", ui_examples="a; b ;;")
    assert "quite secret" not in repr(settings)
    assert settings.ui_examples == ("a", "b")


def test_a_visit_keeps_its_last_photos() -> None:
    photos: dict[str, bytes] = {}
    names = [remember(photos, f"photo {number}".encode()) for number in range(6)]
    assert list(photos) == names[2:]
    assert remember(photos, b"photo 3") == names[3]
    assert list(photos)[-1] == names[3]
