"""Texts that are remembered: the same vector again, for the model that made it, and no more than are asked for."""

from __future__ import annotations

import httpx
import numpy as np

from api.text_cache import TextCache, TextVector
from tests.stack import System


def made(number: int) -> TextVector:
    return TextVector(np.full(4, number, np.float32), truncated=number % 2 == 1)


def test_what_was_kept_is_found_and_nothing_else() -> None:
    cache = TextCache(8)
    cache.find("m@1", [])
    cache.keep("m@1", {"red dress": made(1)})
    found = cache.find("m@1", ["red dress", "Red dress"])
    assert list(found) == ["red dress"]
    assert found["red dress"].truncated
    assert found["red dress"].vector.tobytes() == made(1).vector.tobytes()


def test_the_text_used_longest_ago_makes_room() -> None:
    cache = TextCache(2)
    cache.find("m@1", [])
    cache.keep("m@1", {"a": made(1), "b": made(2)})
    cache.find("m@1", ["a"])
    cache.keep("m@1", {"c": made(3)})
    assert set(cache.find("m@1", ["a", "b", "c"])) == {"a", "c"}


def test_another_models_vectors_are_forgotten_and_never_kept() -> None:
    cache = TextCache(8)
    cache.find("m@1", [])
    cache.keep("m@1", {"a": made(1)})
    assert cache.find("m@2", ["a"]) == {}
    cache.keep("m@1", {"a": made(1)})  # the answer of a call that was under way when the model changed
    assert cache.find("m@2", ["a"]) == {}


def test_none_are_kept_where_none_are_asked_for() -> None:
    cache = TextCache(0)
    cache.find("m@1", [])
    cache.keep("m@1", {"a": made(1)})
    assert len(cache) == 0


def lookups(api: httpx.Client, outcome: str) -> float:
    line = f'text_cache_total{{outcome="{outcome}"}}'
    return next(float(row.rpartition(" ")[2]) for row in api.get("/metrics").text.splitlines() if row.startswith(line))


def test_a_hit_has_the_very_bits_of_the_first_answer(system: System) -> None:
    texts = ["a velvet blazer nobody asked for yet", "word " * 300, "x y z"]
    with system.client() as api:
        first = api.post("/encode_text?encoding_format=base64", json=texts).json()
        hits = lookups(api, "hit")
        alone = api.post("/encode_text?encoding_format=base64", json=[texts[1]]).json()
        turned = api.post("/encode_text?encoding_format=base64", json=[*texts[::-1], "something new"]).json()
        assert lookups(api, "hit") == hits + 4
    assert alone == first | {"embeddings": [first["embeddings"][1]], "truncated": [0]}
    assert turned["embeddings"][:3] == first["embeddings"][::-1]
    assert turned["truncated"] == [1]
