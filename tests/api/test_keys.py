from __future__ import annotations

import hashlib

import pytest

from api.errors import Forbidden, Unauthorized
from api.keys import KeyRing, Scope, presented_key


def entry(name: str, scope: str, key: str) -> str:
    return f"{name}:{scope}:{hashlib.sha256(key.encode()).hexdigest()}"


RING = KeyRing([entry("shop", "search", "s3cret"), entry("loader", "encode", "other"), entry("boss", "admin", "top")])


def test_a_key_opens_what_its_scope_says() -> None:
    assert RING.authorise("s3cret", Scope.SEARCH) == "shop"
    with pytest.raises(Forbidden):
        RING.authorise("s3cret", Scope.ENCODE)


def test_admin_opens_everything() -> None:
    assert [RING.authorise("top", scope) for scope in Scope] == ["boss"] * 3


@pytest.mark.parametrize("key", [None, "", "wrong", "s3cret ", "S3CRET"])
def test_no_key_and_wrong_keys_are_refused(key: str | None) -> None:
    with pytest.raises(Unauthorized):
        RING.authorise(key, Scope.SEARCH)


def test_without_keys_everybody_may() -> None:
    assert KeyRing([]).authorise(None, Scope.ADMIN) is None


@pytest.mark.parametrize("bad", ["x", "a:b:c", "a:search:abc", ":search:" + "0" * 64, "a:search:" + "g" * 64])
def test_a_broken_entry_is_named_without_its_hash(bad: str) -> None:
    with pytest.raises(ValueError, match="API_KEYS") as caught:
        KeyRing([bad])
    assert bad.rpartition(":")[2] not in str(caught.value).replace("API_KEYS", "") or len(bad) < 8


def test_both_headers_carry_a_key() -> None:
    assert presented_key({b"authorization": b"Bearer abc"}) == "abc"
    assert presented_key({b"authorization": b"bearer abc"}) == "abc"
    assert presented_key({b"x-api-key": b"abc"}) == "abc"
    assert presented_key({b"authorization": b"Basic abc"}) is None
    assert presented_key({}) is None
