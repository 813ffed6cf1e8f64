from __future__ import annotations

import base64
import time

import httpx
import numpy as np

from tests.photos import encoded, picture
from tests.stack import SAMPLE, System

PHOTO = (SAMPLE / "images" / "001-t-shirt-blue.jpg").read_bytes()


def test_texts(api: httpx.Client) -> None:
    answer = api.post("/encode_text", json=["red dress", "word " * 300, "x"])
    body = answer.json()
    assert np.allclose(np.linalg.norm(body["embeddings"], axis=1), 1, atol=1e-5)
    assert (len(body["embeddings"]), len(body["embeddings"][0])) == (3, body["dim"])
    assert body["truncated"] == [1]
    assert body["model"].startswith("fashion-clip-mini@")


def test_base64_is_the_same_vector(api: httpx.Client) -> None:
    floats = api.post("/encode_text", json=["red dress"]).json()["embeddings"][0]
    packed = api.post("/encode_text?encoding_format=base64", json=["red dress"]).json()["embeddings"][0]
    assert np.allclose(np.frombuffer(base64.b64decode(packed), "<f4"), floats, atol=1e-6)


def test_a_bad_photo_does_not_fail_its_neighbours(api: httpx.Client) -> None:
    files = [("files", ("a.jpg", PHOTO)), ("files", ("b.jpg", b"no photo")), ("files", ("c.png", encoded(picture())))]
    body = api.post("/encode_image", files=files).json()
    assert [vector is None for vector in body["embeddings"]] == [False, True, False]
    assert [(error["index"], error["filename"], error["code"]) for error in body["errors"]] == [
        (1, "b.jpg", "unsupported_format")
    ]


def test_the_most_that_is_allowed(api: httpx.Client) -> None:
    assert len(api.post("/encode_text", json=["x" * 2000] * 256).json()["embeddings"]) == 256
    files = [("files", (str(number), encoded(picture(seed=number)))) for number in range(64)]
    assert len(api.post("/encode_image", files=files).json()["embeddings"]) == 64


def test_every_answer_has_an_id(api: httpx.Client) -> None:
    assert api.get("/livez", headers={"X-Request-ID": "order-17.a"}).headers["x-request-id"] == "order-17.a"
    strange = api.get("/livez", headers={"X-Request-ID": "a b\tc"}).headers["x-request-id"]
    assert len(strange) == 32
    assert api.get("/nowhere").headers["x-request-id"]


def test_the_runner_records_its_passes(system: System) -> None:
    deadline = time.monotonic() + 30  # beside the first calls
    told = {"passes over texts are recorded", "passes over photos are recorded"}
    while time.monotonic() < deadline and not all(line in system.log.read_text() for line in told):
        time.sleep(0.1)
    assert [line for line in told if line not in system.log.read_text()] == []
