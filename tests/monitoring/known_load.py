"""A load whose every count is known beforehand, and what the counters say of it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import httpx

from tests.stack import SAMPLE

# What a counter is called here: its metric and the labels that tell it apart.
Counts = Counter[str]
_PHOTO = SAMPLE / "images" / "055-jacket-black.jpg"
_HANDLERS = "/search-image|/encode_text|/encode_image|/items/{id}|/facets|unknown"
QUERIES = {
    "requests": (f'http_request_duration_seconds_count{{handler=~"{_HANDLERS}"}}', ("handler", "status")),
    "encodings": ('encoding_requests_total', ("method", "endpoint")),
    "items": ('encoded_items_total', ("method",)),
    "batched": ('runner_batch_items_sum', ("method",)),
    "bad": ('bad_input_total', ("code",)),
    "stages": ('search_stage_duration_seconds_count', ("stage",)),
    "calls": (
        'backend_calls_total{operation=~"encode_.*|search|get|facets"}', ("part", "operation", "outcome"),
    ),
}  # fmt: skip


def of(requests: int, photo: bytes, seed: int = 7) -> list[tuple[dict[str, Any], Counts]]:
    """Requests in a mixed order, each with what it has to add to the counters."""
    chance = random.Random(seed)
    kinds = chance.choices(("words", "photo", "both", "texts", "photos", "item", "absent", "unknown", "broken"),
                           (40, 8, 4, 15, 5, 10, 5, 8, 5), k=requests)  # fmt: skip
    return [_request(kind, number, photo) for number, kind in enumerate(kinds)]


def _request(kind: str, number: int, photo: bytes) -> tuple[dict[str, Any], Counts]:
    if kind in ("words", "photo", "both"):
        form = {"query": f"jacket number {number}"} if kind != "photo" else {}
        adds = _counts("requests|/search-image|200", "stages|search", "stages|presign", "calls|milvus|search|ok")
        body = {"json": form} if kind == "words" else {"data": form, "files": {"file": photo}}
        request: dict[str, Any] = {"method": "POST", "url": "/search-image", **body}
        for given, method in ((kind != "words", "image"), (kind != "photo", "text")):
            if given:
                adds += _encoded(method, "/search-image", 1)
        if kind != "words":
            adds["stages|decode"] += 1
        return request, adds
    if kind == "texts":
        texts = [f"text {number} {each}" for each in range(1 + number % 5)]
        adds = _counts("requests|/encode_text|200") + _encoded("text", "/encode_text", len(texts))
        return {"method": "POST", "url": "/encode_text", "json": texts}, adds
    if kind == "photos":
        adds = _counts("requests|/encode_image|200", "stages|decode") + _encoded("image", "/encode_image", 2)
        files = [("files", ("a.jpg", photo)), ("files", ("b.jpg", photo)), ("files", ("c.jpg", b"no photo"))]
        adds["bad|unsupported_format"] += 1
        return {"method": "POST", "url": "/encode_image", "files": files}, adds
    if kind == "item":
        adds = _counts("requests|/items/{id}|200", "calls|milvus|get|ok")
        return {"method": "GET", "url": "/items/images/055-jacket-black"}, adds
    if kind == "absent":
        adds = _counts("requests|/items/{id}|404", "calls|milvus|get|ok", "bad|not_found")
        return {"method": "GET", "url": f"/items/absent-{number}"}, adds
    if kind == "unknown":
        return {"method": "GET", "url": f"/unknown-{number}"}, _counts("requests|unknown|404", "bad|not_found")
    broken: dict[str, Any] = {
        "method": "POST",
        "url": "/encode_text",
        "content": b"{",
        "headers": {"Content-Type": "application/json"},
    }
    return broken, _counts("requests|/encode_text|400", "bad|invalid_json")


def _encoded(method: str, endpoint: str, items: int) -> Counts:
    operation = "encode_texts" if method == "text" else "encode_pixels"
    adds = _counts(f"encodings|{method}|{endpoint}", "stages|encode", "stages|queue", f"calls|runner|{operation}|ok")
    return adds + Counter({f"items|{method}": items, f"batched|{method}": items})


def _counts(*names: str) -> Counts:
    return Counter(names)


def send(url: str, requests: list[tuple[dict[str, Any], Counts]], *, at_once: int = 8) -> Counter[int]:
    """Send all of them, so many at a time; the answers by status."""

    async def run() -> Counter[int]:
        answers: Counter[int] = Counter()
        waiting = iter(requests)
        async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as client:

            async def worker() -> None:
                for request, _ in waiting:
                    answers[(await client.request(**request)).status_code] += 1

            await asyncio.gather(*(worker() for _ in range(at_once)))
        return answers

    return asyncio.run(run())


def photo() -> bytes:
    return _PHOTO.read_bytes()
