"""The accounts of the stores, on the real servers: each program may do its own work and nothing more."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from minio import Minio
from minio.error import S3Error

from catalog.about import CollectionModel
from catalog.errors import StoreRefused
from catalog.item import Item
from catalog.settings import StoreSettings
from catalog.vectors import VectorDatabase
from compose.accounts.settings import MilvusAccounts, StoreAccounts
from compose.accounts.store import make_store_accounts
from compose.accounts.vectors import make_milvus_accounts
from tests.full_milvus import FullMilvus
from tests.stack import ACCESS_KEY, SECRET_KEY, Stores

PASSWORDS = {"search": "Aa1-of-the-search", "etl": "Aa1-of-the-loader", "milvus": "Aa1-of-milvus"}


@pytest.fixture(scope="module")
def store_address(stores: Stores) -> str:
    """The object store with the accounts made, twice: the second time changes nothing."""
    address = f"127.0.0.1:{stores.s3_port}"
    settings: dict[str, Any] = {
        "minio_endpoint": address, "minio_root_user": ACCESS_KEY, "minio_root_password": SECRET_KEY,
        "minio_bucket_name": "accounts-photos", "milvus_minio_bucket_name": "accounts-segments",
        "minio_access_key_id": "search", "minio_secret_access_key": PASSWORDS["search"],
        "etl_minio_access_key_id": "etl", "etl_minio_secret_access_key": PASSWORDS["etl"],
        "milvus_minio_access_key_id": "milvus", "milvus_minio_secret_access_key": PASSWORDS["milvus"],
    }  # fmt: skip
    for _ in range(2):
        make_store_accounts(StoreAccounts(**settings))
    return address


def may(call: Any) -> bool:
    """Whether the store allows it."""
    try:
        call()
    except S3Error as error:
        assert error.code == "AccessDenied", error
        return False
    return True


@pytest.mark.parametrize(
    ("user", "own", "writes"),
    [("search", "accounts-photos", False), ("etl", "accounts-photos", True), ("milvus", "accounts-segments", True)],
)
def test_users_of_the_store(store_address: str, user: str, own: str, writes: bool) -> None:
    root = Minio(store_address, ACCESS_KEY, SECRET_KEY, secure=False, region="us-east-1")
    client = Minio(store_address, user, PASSWORDS[user], secure=False, region="us-east-1")
    for bucket in ("accounts-photos", "accounts-segments"):
        root.put_object(bucket, "there", io.BytesIO(b"x"), 1)
        mine = bucket == own

        def write(bucket: str = bucket) -> None:
            client.put_object(bucket, "new", io.BytesIO(b"x"), 1)

        assert may(lambda bucket=bucket: client.get_object(bucket, "there").read()) is mine
        assert may(lambda bucket=bucket: list(client.list_objects(bucket))) is mine
        assert may(write) is (mine and writes)
        assert may(lambda bucket=bucket: client.remove_object(bucket, "there")) is (mine and writes)
    assert not may(lambda: client.make_bucket("another"))


def test_a_link_of_the_services_user_opens_its_own_bucket_alone(store_address: str) -> None:
    root = Minio(store_address, ACCESS_KEY, SECRET_KEY, secure=False, region="us-east-1")
    signer = Minio(store_address, "search", PASSWORDS["search"], secure=False, region="us-east-1")
    for bucket, status in (("accounts-photos", 200), ("accounts-segments", 403)):
        root.put_object(bucket, "linked", io.BytesIO(b"x"), 1)
        assert httpx.get(signer.presigned_get_object(bucket, "linked"), trust_env=False).status_code == status
    for link in (
        signer.presigned_put_object("accounts-photos", "written"),
        signer.get_presigned_url("DELETE", "accounts-photos", "linked"),
    ):
        assert httpx.request("DELETE" if "linked" in link else "PUT", link, trust_env=False).status_code == 403
    assert root.stat_object("accounts-photos", "linked")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FullMilvus]:
    """The full Milvus with passwords on, and the accounts made, twice."""
    server = FullMilvus(tmp_path_factory.mktemp("guarded-milvus"), authorization=True)
    try:
        settings: dict[str, Any] = {
            "milvus_host": "127.0.0.1", "milvus_port": server.port, "milvus_root_password": "Aa1-of-the-root",
            "milvus_user": "search", "milvus_password": PASSWORDS["search"],
            "etl_milvus_user": "etl", "etl_milvus_password": PASSWORDS["etl"],
        }  # fmt: skip
        for _ in range(2):
            make_milvus_accounts(MilvusAccounts(**settings))
        yield server
    finally:
        server.stop()


def database(server: FullMilvus, user: str, password: str) -> VectorDatabase:
    settings: dict[str, Any] = {"milvus_user": user, "milvus_password": password, "milvus_timeout": 20}
    return VectorDatabase(StoreSettings(_env_file=None, milvus_host="127.0.0.1", milvus_port=server.port, **settings))


def test_users_of_milvus(guarded: FullMilvus) -> None:
    loader = database(guarded, "etl", PASSWORDS["etl"])
    reader = database(guarded, "search", PASSWORDS["search"])
    vector = np.array([1, 0, 0, 0], dtype=np.float32)
    model = CollectionModel("a model", 4)
    old, new = loader.create(model), loader.create(model)
    loader.upsert(new, [Item(id="a", object="a.jpg", content_hash="h", vector=vector)])
    for collection in (old, new):
        loader.into_segments(collection)
        loader.publish(collection)

    time.sleep(2)  # what another connection wrote is seen a moment later
    found = reader.current()
    assert found is not None and found.name == new.name
    assert [item.id for item in reader.get(new, ["a"])] == ["a"]
    assert reader.search(new, vector, limit=1)
    # Moving an alias is not on the list: this version of the server lets everybody do it.
    for forbidden in (
        lambda: reader.create(model), lambda: reader.delete(new, ["a"]), lambda: reader.drop(old.name),
        lambda: reader.upsert(new, [Item(id="b", object="b.jpg", content_hash="h", vector=vector)]),
        lambda: database(guarded, "root", "Milvus").collections(),
        lambda: database(guarded, "", "").collections(),
    ):  # fmt: skip
        with pytest.raises(StoreRefused):
            forbidden()
    loader.delete(new, ["a"])
    loader.drop(old.name)
