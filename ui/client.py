"""The service's public API as the page uses it; every failure becomes a sentence for a shopper."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter

from ui.settings import UiSettings

# What the page says for an error code of the service; photos get the service's own words.
_SENTENCES = {
    "overloaded": "Many people are searching just now. Please try again in a moment.",
    "rate_limited": "That was a lot of searches. Please wait a moment before the next one.",
    "model_mismatch": "The catalogue is being renewed. Please try again in a few minutes.",
    "unauthorized": "The search is not set up correctly here (its key is refused).",
    "forbidden": "The search is not set up correctly here (its key is refused).",
    "timeout": "The search took too long. Please try again.",
}
_AWAY = "The search is not reachable at the moment. Your input is kept: please try again shortly."


class SearchFailed(Exception):
    """A search without a result; `message` is for the shopper, `retry` tells whether trying again may help."""

    def __init__(self, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.message = message
        self.retry = retry


@dataclass(frozen=True)
class Answer:
    """What a search brought; `query` is the text that was encoded, `results` as the service gives them."""

    results: list[dict[str, Any]]
    has_more: bool
    query: str | None


class SearchClient:
    """One pooled connection set to the service. Thread-safe."""

    def __init__(self, settings: UiSettings) -> None:
        self._url = settings.api_url
        self._timeout = settings.ui_timeout
        self._session = requests.Session()
        self._session.mount("http", HTTPAdapter(pool_maxsize=32))
        if key := settings.ui_api_key.get_secret_value():
            self._session.headers["Authorization"] = f"Bearer {key}"

    def search(self, *, photo: bytes | None = None, **fields: Any) -> Answer:
        """Search; `fields` as `/search-image` has them, absent ones None. SearchFailed when it cannot."""
        given = {name: value for name, value in fields.items() if value not in (None, "", {}, [])}
        if photo is None:
            body = self._call("POST", "/search-image", json=given)
        else:
            form = {name: json.dumps(value) if name == "filters" else str(value) for name, value in given.items()}
            body = self._call("POST", "/search-image", data=form, files={"file": ("photo", photo)})
        return Answer(body["results"], body["has_more"], body["query"])

    def item(self, id: str) -> dict[str, Any]:
        """One item, with a fresh link."""
        return self._call("GET", f"/items/{quote(id)}")

    def facets(self) -> dict[str, list[dict[str, Any]]]:
        """The fields that can be filtered by, with their values and counts."""
        fields: dict[str, list[dict[str, Any]]] = self._call("GET", "/facets")["fields"]
        return fields

    def _call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        try:
            answer = self._session.request(method, self._url + path, timeout=self._timeout, **body)
            content: dict[str, Any] = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise SearchFailed(_AWAY, retry=True) from error
        if answer.status_code == 200:
            return content
        problem = content.get("error", {})
        code, message = problem.get("code", ""), problem.get("message", "")
        if code in _SENTENCES:
            raise SearchFailed(_SENTENCES[code], retry=answer.status_code in (429, 503, 504))
        if answer.status_code in (413, 422):
            raise SearchFailed(message, retry=False)
        if answer.status_code == 404:
            raise SearchFailed("This item is no longer in the catalogue.", retry=False)
        raise SearchFailed(_AWAY, retry=True)
