from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest

from catalog.errors import CatalogError, StoreUnavailable
from catalog.images import ImageStore
from tests.stack import Stores, pause, resume

NAME = "my source/a photo é.jpg"


@pytest.fixture
def images(stores: Stores) -> ImageStore:
    store = ImageStore(stores.settings())
    store.ensure_bucket()
    store.put(NAME, b"bytes of a photo", "image/jpeg")
    return store


def test_put_get_exists_remove(images: ImageStore) -> None:
    assert images.get(NAME) == b"bytes of a photo"
    assert images.exists(NAME)
    assert NAME in set(images.names("my source/"))
    images.remove([NAME, "never there"])
    assert not images.exists(NAME)
    with pytest.raises(KeyError):
        images.get(NAME)


def test_a_link_opens_one_object_for_reading(images: ImageStore) -> None:
    link = images.link(NAME)
    answer = httpx.get(link, trust_env=False)
    assert (answer.content, answer.headers["content-type"]) == (b"bytes of a photo", "image/jpeg")
    images.put("other.jpg", b"x", "image/jpeg")
    for changed in (
        link.replace("a%20photo", "another"),
        link.replace("X-Amz-Expires=3600", "X-Amz-Expires=9999"),
        link.replace("X-Amz-Date=20", "X-Amz-Date=19"),
        link[:-4] + "0000",
        link.partition("?")[0],
        link + "&response-content-type=text%2Fhtml",
    ):
        assert httpx.get(changed, trust_env=False).status_code in (400, 403)
    assert httpx.put(link, content=b"y", trust_env=False).status_code == 403
    assert httpx.delete(link, trust_env=False).status_code == 403


def test_the_host_is_part_of_a_link(stores: Stores, images: ImageStore) -> None:
    link = images.link(NAME)
    port = stores.s3_port
    assert httpx.get(link, headers={"host": f"elsewhere:{port}"}, trust_env=False).status_code == 403
    public = ImageStore(stores.settings(minio_public_endpoint="https://photos.example:8443"))
    assert public.link(NAME).startswith("https://photos.example:8443/fashion/my%20source/")


def test_a_link_is_the_same_for_a_tenth_of_its_life(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0  # a multiple of 360 s
    monkeypatch.setattr("catalog.images.time.time", lambda: now)
    first, second = (ImageStore(stores.settings()) for _ in range(2))
    link = first.link(NAME)
    now += 359
    assert first.link(NAME) == second.link(NAME) == link
    now += 1
    assert first.link(NAME) == second.link(NAME) != link


@pytest.mark.usefixtures("images")
def test_a_link_expires(stores: Stores) -> None:
    link = ImageStore(stores.settings(presign_expires=3)).link(NAME)
    assert httpx.get(link, trust_env=False).status_code == 200
    time.sleep(4.1)
    assert httpx.get(link, trust_env=False).status_code == 403


def test_wrong_credentials_are_named(stores: Stores) -> None:
    with pytest.raises(CatalogError, match="credentials"):
        ImageStore(stores.settings(minio_secret_access_key="wrong")).put("x", b"x", "image/png")


def test_signing_asks_nobody_and_calls_end_in_time(tmp_path: Path) -> None:
    stores = Stores(tmp_path)
    images = ImageStore(stores.settings(minio_timeout=1))
    try:
        images.ensure_bucket()
        pause(stores.s3.pid)
        started = time.monotonic()
        with pytest.raises(StoreUnavailable):
            images.ping()
        with pytest.raises(StoreUnavailable):
            images.get("x")
        assert time.monotonic() - started < 10
        resume(stores.s3.pid)
        images.ping()
        stores.s3.stop()
        assert "X-Amz-Signature" in images.link("x")
        with pytest.raises(StoreUnavailable):
            images.ping()
        stores.start_s3()
        images.ping()
    finally:
        stores.stop()
