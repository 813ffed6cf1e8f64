from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.images import ImageStore, object_name
from tests.stack import Stores


def test_names_speak_where_they_can() -> None:
    assert object_name("my shop", "images/055-jacket", ".jpg") == "my%20shop/images/055-jacket.jpg"
    assert object_name("a/b", "c") == "a%2Fb/c.photo"


def test_what_no_store_takes_gets_a_name_of_its_own() -> None:
    odd = ["", "..", "../x", "a//b", "a/", "/a", ".", "x" * 300, "é" * 200]
    names = {object_name("s", id, ".jpg") for id in odd}
    assert len(names) == len(odd)
    assert all(name.startswith("s/") and "/." not in name and "//" not in name for name in names)
    assert object_name("..", "x").split("/")[0].isalnum()


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60).filter(lambda text: text.isprintable()))
def test_every_name_can_be_written_and_read(stores: Stores, id: str) -> None:
    images = ImageStore(stores.settings(minio_bucket_name="names"))
    images.ensure_bucket()
    name = object_name(id or "s", id, ".png")
    images.put(name, id.encode(), "image/png")
    assert images.get(name) == id.encode()
    assert name in set(images.names(name.split("/")[0]))
