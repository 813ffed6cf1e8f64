"""The service's public API as the page uses it; every failure becomes a sentence for a shopper."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal
from urllib.parse import quote

import requests
from loguru import logger
from requests.adapters import HTTPAdapter

from telemetry.logs import access_logger, request_id_var
from ui.metrics import Metrics
from ui.settings import UiSettings

Kind = Literal["busy", "away", "photo", "gone", "refused"]

_AWAY = "The search is not reachable at the moment."
# What the page says for an error code of the service.
_SENTENCES: dict[str, tuple[Kind, str]] = {
    "overloaded": ("busy", "Many people are searching just now."),
    "rate_limited": ("busy", "That was a lot of searches in a short time."),
    "model_mismatch": ("away", "The catalogue is being renewed."),
    "unavailable": ("away", _AWAY),
    "timeout": ("away", "The search took too long."),
    "unauthorized": ("refused", "The search is not set up correctly here: its key is refused."),
    "forbidden": ("refused", "The search is not set up correctly here: its key is refused."),
    "not_found": ("gone", "This item is no longer in the catalogue."),
    "empty_file": ("photo", "This file is empty. Please choose another photo."),
    "unsupported_format": ("photo", "This file is not a photo we can read. JPEG, PNG, WebP, GIF, BMP and TIFF work."),
    "truncated_image": ("photo", "This photo is incomplete: its end is missing. Please save or download it again."),
    "corrupt_image": ("photo", "This photo is damaged and cannot be opened. Please choose another one."),
    "image_too_large": ("photo", "This photo has too many pixels. Please make it smaller first."),
    "extreme_aspect_ratio": ("photo", "This photo is too long and thin to search with. Please crop it first."),
    "body_too_large": ("photo", "This photo's file is too big. Please make it smaller first."),
}


class SearchFailed(Exception):
    """A search without a result: `message` is for the shopper, `wait` the seconds until it is worth another try."""

    def __init__(self, kind: Kind, message: str, wait: float = 0) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.wait = wait


@dataclass(frozen=True)
class Answer:
    """What a search brought; `query` is the text that was encoded, `results` as the service gives them."""

    results: list[dict[str, Any]]
    has_more: bool
    query: str | None


class SearchClient:
    """One pooled connection set to the service. Thread-safe."""

    def __init__(self, settings: UiSettings, metrics: Metrics) -> None:
        self._url = settings.api_url
        self._timeout = settings.ui_timeout
        self._metrics = metrics
        self._session = requests.Session()
        # By default a proxy of the environment would be asked for a service next door.
        self._session.trust_env = settings.ui_use_proxy
        self._session.mount("http://", HTTPAdapter(pool_maxsize=32))
        self._session.mount("https://", HTTPAdapter(pool_maxsize=32))
        if key := settings.ui_api_key.get_secret_value():
            self._session.headers["X-API-Key"] = key

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
        # The service keeps this id: its lines about the same call are found by it.
        token = request_id_var.set(uuid.uuid4().hex)
        try:
            return self._answer(method, path, body)
        finally:
            request_id_var.reset(token)

    def _answer(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = self._request(method, path, body)
            content = answer.json()
        except (requests.RequestException, ValueError) as error:
            logger.warning("no answer to read to {} {}: {}", method, path, type(error).__name__)
            raise SearchFailed("away", _AWAY, wait=3) from error
        if not isinstance(content, dict):
            raise SearchFailed("away", _AWAY, wait=3)
        if answer.status_code == 200:
            return content
        logger.warning("{} {} was answered {}: {}", method, path, answer.status_code, _reason(content))
        raise failure(answer.status_code, content, answer.headers.get("Retry-After", ""))

    def _request(self, method: str, path: str, body: Mapping[str, Any]) -> requests.Response:
        begun, status = perf_counter(), 0
        try:
            with self._metrics.api_seconds.time():
                answer = self._session.request(
                    method,
                    self._url + path,
                    headers={"X-Request-ID": request_id_var.get()},
                    timeout=self._timeout,
                    **body,
                )
            status = answer.status_code
            return answer
        finally:
            duration = round((perf_counter() - begun) * 1000, 1)
            access_logger.bind(method=method, path=path, status=status, duration_ms=duration).info(
                "{} {} {}", method, path, status or "no answer"
            )


def _reason(content: Mapping[str, Any]) -> str:
    problem = content.get("error")
    return f"{problem.get('code')}: {problem.get('message')}" if isinstance(problem, dict) else "no reason given"


def failure(status: int, content: Mapping[str, Any], retry_after: str = "") -> SearchFailed:
    """The service's refusal in a shopper's words."""
    problem = content.get("error")
    problem = problem if isinstance(problem, dict) else {}
    kind, message = _SENTENCES.get(str(problem.get("code", "")), ("away", _AWAY))
    if kind == "away" and status == 429:
        kind, message = _SENTENCES["overloaded"]
    elif kind == "away" and status == 422:
        kind, message = "refused", str(problem.get("message") or "This search cannot be read.")
    wait = 0.0
    if kind in ("busy", "away"):
        wait = min(60.0, max(2.0, float(retry_after))) if retry_after.isdigit() else 3.0
    return SearchFailed(kind, message, wait)
