"""Buckets, users and rights in the object store."""

from __future__ import annotations

from typing import Any

from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider

from compose.accounts.settings import StoreAccounts

_READ = ("s3:GetObject",)
_LIST = ("s3:ListBucket", "s3:GetBucketLocation")
_WRITE = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts")


def make_store_accounts(settings: StoreAccounts) -> None:
    """Make the buckets, and the three users with a policy each; what is there is brought up to date.

    Raises minio.error.MinioException where the store refuses.
    """
    root = settings.minio_root_user, settings.minio_root_password.get_secret_value()
    endpoint = settings.minio_endpoint.removeprefix("http://")
    client = Minio(endpoint, *root, secure=False, region=settings.minio_region)
    admin = MinioAdmin(endpoint=endpoint, credentials=StaticProvider(*root), secure=False, region=settings.minio_region)
    photos, segments = settings.minio_bucket_name, settings.milvus_minio_bucket_name
    for bucket in (photos, segments):
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
    users = [
        ("fashion-search", settings.minio_access_key_id, settings.minio_secret_access_key, photos, _READ),
        ("fashion-etl", settings.etl_minio_access_key_id, settings.etl_minio_secret_access_key, photos, _READ + _WRITE),
        ("fashion-milvus", settings.milvus_minio_access_key_id, settings.milvus_minio_secret_access_key, segments,
         _READ + _WRITE),
    ]  # fmt: skip
    for policy, user, secret, bucket, actions in users:
        admin.policy_add(policy, policy=_policy(bucket, actions))
        admin.user_add(user, secret.get_secret_value())
        admin.policy_set(policy, user=user)


def _policy(bucket: str, actions: tuple[str, ...]) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": list(_LIST), "Resource": [f"arn:aws:s3:::{bucket}"]},
            {"Effect": "Allow", "Action": list(actions), "Resource": [f"arn:aws:s3:::{bucket}/*"]},
        ],
    }
