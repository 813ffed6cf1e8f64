"""What the account jobs read from their environment."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class StoreAccounts(BaseSettings):
    """The object store, its administrator, and the users to make."""

    minio_endpoint: str
    minio_region: str = "us-east-1"
    minio_root_user: str
    minio_root_password: SecretStr
    minio_bucket_name: str
    minio_access_key_id: str
    minio_secret_access_key: SecretStr
    etl_minio_access_key_id: str
    etl_minio_secret_access_key: SecretStr
    milvus_minio_bucket_name: str
    milvus_minio_access_key_id: str
    milvus_minio_secret_access_key: SecretStr


class MilvusAccounts(BaseSettings):
    """Milvus, its administrator's password, and the users to make."""

    milvus_host: str
    milvus_port: int = Field(19530, ge=1, le=65535)
    milvus_root_password: SecretStr
    milvus_user: str
    milvus_password: SecretStr
    etl_milvus_user: str
    etl_milvus_password: SecretStr
