from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.photos import bomb, encoded, picture
from tests.stack import System

JPEG = encoded(picture(400, 300), "JPEG")


def code(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert isinstance(error["message"], str)
    assert "Traceback" not in answer.text
    return answer.status_code, error["code"]


def server_errors(api: httpx.Client) -> set[str]:
    """How often each route answered 5xx so far; /readyz may."""
    counts = [line for line in api.get("/metrics").text.splitlines() if "request_duration_seconds_count{" in line]
    return {line for line in counts if 'status="5' in line and 'handler="/readyz"' not in line}


@pytest.fixture(scope="module", autouse=True)
def server_errors_before(system: System) -> set[str]:
    """Of other tests: those that stop parts."""
    with system.client() as api:
        return server_errors(api)


BAD_PHOTOS = {
    "empty": (b"", "empty_file"),
    "text named jpg": (b"just words", "unsupported_format"),
    "truncated": (JPEG[: len(JPEG) // 2], "truncated_image"),
    "bomb": (bomb(20_000, 20_000), "image_too_large"),
    "strip": (encoded(picture(1, 10_000)), "extreme_aspect_ratio"),
}


@pytest.mark.parametrize("name", BAD_PHOTOS)
def test_bad_photos(api: httpx.Client, name: str) -> None:
    content, expected = BAD_PHOTOS[name]
    alone = api.post("/encode_image", files=[("files", ("photo.jpg", content))])
    assert code(alone) == (422, expected)
    assert alone.json()["error"]["details"][0]["index"] == 0
    assert code(api.post("/search-image", files={"file": ("photo.jpg", content)})) == (422, expected)
    beside = api.post("/encode_image", files=[("files", ("a", content)), ("files", ("b", JPEG))]).json()
    assert beside["embeddings"][0] is None
    assert beside["embeddings"][1] is not None
    assert beside["errors"][0]["code"] == expected


@pytest.mark.parametrize(
    "photo",
    [
        encoded(picture(1, 1)),
        encoded(picture(60, 40, "CMYK"), "JPEG"),
        encoded(picture(mode="P"), "GIF", save_all=True, append_images=[picture(mode="P", seed=1)]),
    ],
)
def test_unusual_photos_are_fine(api: httpx.Client, photo: bytes) -> None:
    assert api.post("/search-image", files={"file": ("x.jpg", photo)}).status_code == 200


TEXT_BODIES: list[tuple[Any, tuple[int, str]]] = [
    ([], (422, "missing_field")),
    (["x"] * 300, (422, "too_many_items")),
    (["x" * 10_000], (422, "invalid_value")),
    ([""], (422, "invalid_value")),
    ([1], (422, "invalid_value")),
    ({"texts": ["x"]}, (422, "invalid_value")),
    ("x", (422, "invalid_value")),
]


@pytest.mark.parametrize(("body", "expected"), TEXT_BODIES)
def test_bad_texts(api: httpx.Client, body: Any, expected: tuple[int, str]) -> None:
    assert code(api.post("/encode_text", json=body)) == expected


SEARCHES: list[tuple[dict[str, Any], tuple[int, str]]] = [
    ({}, (422, "missing_field")),
    ({"query": "   "}, (422, "missing_field")),
    ({"query": None}, (422, "missing_field")),
    ({"query": 5}, (422, "invalid_value")),
    ({"query": "x" * 10_000}, (422, "invalid_value")),
    ({"query": "x", "top_k": 0}, (422, "invalid_value")),
    ({"query": "x", "top_k": 101}, (422, "invalid_value")),
    ({"query": "x", "top_k": "x"}, (422, "invalid_value")),
    ({"query": "x", "top_k": True}, (422, "invalid_value")),
    ({"query": "x", "offset": 1001}, (422, "invalid_value")),
    ({"query": "x", "offset": -1}, (422, "invalid_value")),
    ({"query": "x", "text_weight": 1.5}, (422, "invalid_value")),
    ({"query": "x", "min_score": "high"}, (422, "invalid_value")),
    ({"query": "x", "topk": 5}, (422, "invalid_value")),
    ({"query": "x", "file": "http://127.0.0.1/"}, (422, "invalid_value")),
    ({"query": "x", "filters": {"nonesuch": "x"}}, (422, "unknown_filter")),
    ({"query": "x", "filters": {"title": "x"}}, (422, "unknown_filter")),
    ({"query": "x", "filters": {"colour": 5}}, (422, "invalid_value")),
    ({"query": "x", "filters": {"colour": []}}, (422, "invalid_value")),
    ({"query": "x", "filters": {"colour": ["x"] * 101}}, (422, "invalid_value")),
    ({"query": "x", "filters": {"colour": {"a": 1}}}, (422, "invalid_value")),
    ({"query": "x", "filters": {"colour": "a\u0000b"}}, (422, "invalid_value")),
    ({"query": "x", "filters": [1]}, (422, "invalid_value")),
    ({"query": "x", "filters": "{"}, (422, "invalid_value")),
    ({"like": "no/such/item"}, (404, "not_found")),
]


@pytest.mark.parametrize(("body", "expected"), SEARCHES)
def test_bad_searches(api: httpx.Client, body: dict[str, Any], expected: tuple[int, str]) -> None:
    assert code(api.post("/search-image", json=body)) == expected


def test_filters_cannot_break_out(api: httpx.Client) -> None:
    for value in ('" or 1 == 1 or colour == "', 'black") or (id != "', "\\", '\\"', "%' --", "{x}", "黒", "🖤"):
        answer = api.post("/search-image", json={"query": "x", "filters": {"colour": value}})
        assert (answer.status_code, answer.json()["results"]) == (200, [])


def test_bodies_that_are_not_what_they_say(api: httpx.Client) -> None:
    js, form = {"content-type": "application/json"}, {"content-type": "multipart/form-data; boundary=b"}
    for path in ("/encode_text", "/search-image"):
        assert code(api.post(path, content=b"{", headers=js)) == (400, "invalid_json")
        assert code(api.post(path, content=b"\xff\xfe", headers=js)) == (400, "invalid_json")
        assert code(api.post(path, content=b'["\\ud800"]', headers=js)) == (400, "invalid_json")
        assert code(api.post(path, content=b"[" * 100_000, headers=js)) == (400, "invalid_json")
        assert code(api.post(path, content=b"x", headers={"content-type": "text/plain"})) == (
            415,
            "unsupported_media_type",
        )
    for path in ("/encode_image", "/search-image"):
        assert code(api.post(path, content=b"garbage", headers=form)) == (400, "invalid_multipart")
        no_boundary = {"content-type": "multipart/form-data"}
        assert code(api.post(path, content=b"x", headers=no_boundary)) == (400, "invalid_multipart")
    assert code(api.post("/encode_image", json=["x"])) == (415, "unsupported_media_type")
    assert code(api.post("/encode_text", content=b"")) == (415, "unsupported_media_type")


def test_forms_with_wrong_parts(api: httpx.Client) -> None:
    assert code(api.post("/encode_image", files={"file": JPEG})) == (422, "missing_field")
    assert code(api.post("/encode_image", files={"files": (None, "text")})) == (422, "missing_field")
    many = [("files", (str(number), b"x")) for number in range(65)]
    assert code(api.post("/encode_image", files=many)) == (422, "too_many_items")
    thousand = [("files", (str(number), b"x")) for number in range(1000)]
    assert code(api.post("/encode_image", files=thousand)) == (422, "too_many_items")
    assert code(api.post("/search-image", files=[("file", JPEG), ("file", JPEG)])) == (422, "invalid_value")
    assert code(api.post("/search-image", files={"query": (None, ""), "top_k": (None, "3")})) == (422, "missing_field")


def test_a_part_may_declare_what_it_likes(api: httpx.Client) -> None:
    declared = {"file": ("evil.exe", JPEG, "application/x-msdownload")}
    assert api.post("/search-image", files=declared).status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large(api: httpx.Client, chunked: bool) -> None:
    size, piece = 60 * 1024 * 1024, b"x" * 1024 * 1024
    content = (piece for _ in range(size // len(piece))) if chunked else piece * 60
    answer = api.post("/encode_text", content=content, headers={"content-type": "application/json"})
    assert code(answer) == (413, "body_too_large")


def test_paths_and_methods_that_do_not_exist(api: httpx.Client) -> None:
    for path in ("/nope", "/healthz", "/schema.json", "/static_content/nope.js", "/items/", "/encode_texts", "/docs"):
        assert code(api.get(path)) == (404, "not_found"), path
    for method, path in (("GET", "/encode_text"), ("POST", "/facets"), ("DELETE", "/items/x"), ("POST", "/")):
        answer = api.request(method, path)
        assert code(answer) == (405, "method_not_allowed")
        assert answer.headers["allow"]


def test_a_query_parameter_that_is_wrong(api: httpx.Client) -> None:
    assert code(api.post("/encode_text?encoding_format=hex", json=["x"])) == (422, "invalid_value")


def test_pickle_is_not_read(api: httpx.Client) -> None:
    headers = {"content-type": "application/vnd.bentoml+pickle"}
    assert code(api.post("/encode_text", content=b"\x80\x04N.", headers=headers)) == (415, "unsupported_media_type")


def test_no_answer_above_was_a_server_error(api: httpx.Client, server_errors_before: set[str]) -> None:
    assert server_errors(api) == server_errors_before
