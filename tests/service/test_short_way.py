"""The short way and the long one answer alike; a query string, even one that says nothing, takes the long one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.photos import encoded, picture
from tests.stack import SAMPLE

PHOTO = (SAMPLE / "images" / "055-jacket-black.jpg").read_bytes()

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "texts": ("/encode_text", {"json": ["a red dress", "boots"]}),
    "no texts": ("/encode_text", {"json": []}),
    "no JSON": ("/encode_text", {"content": b"{", "headers": {"Content-Type": "application/json"}}),
    "another type": ("/encode_text", {"content": b"x", "headers": {"Content-Type": "text/plain"}}),
    "photos": ("/encode_image", {"files": [("files", ("a.jpg", PHOTO)), ("files", ("b.jpg", b"none"))]}),
    "no photos": ("/encode_image", {"files": [("file", ("a.jpg", PHOTO))]}),
    "a broken photo": ("/encode_image", {"files": [("files", ("a.jpg", encoded(picture(40, 30))[:200]))]}),
    "words": ("/search-image", {"json": {"query": "black leather jacket", "top_k": 3}}),
    "a photo": ("/search-image", {"files": {"file": ("a.jpg", PHOTO)}, "data": {"top_k": "3"}}),
    "an unknown item": ("/search-image", {"json": {"like": "nobody"}}),
    "nothing": ("/search-image", {"json": {}}),
    "a broken form": ("/search-image", {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_both_ways_answer_alike(api: httpx.Client, name: str) -> None:
    path, sent = REQUESTS[name]
    short, long = api.post(path, **sent), api.post(f"{path}?unknown=1", **sent)
    assert short.status_code == long.status_code
    assert lasting(short.headers) == lasting(long.headers)
    assert without_times(short.json()) == without_times(long.json())


def lasting(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in ("date", "x-request-id", "content-length")}


def without_times(body: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in body.items() if name not in ("total_ms", "timings", "request_id")}
    if "error" in kept:
        kept["error"] = {name: value for name, value in kept["error"].items() if name != "request_id"}
    return kept
