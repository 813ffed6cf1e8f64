"""Where the stores are and how to speak to them; part of every process's settings that does."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class StoreSettings(BaseSettings):
    """Settings of Milvus and of the object store."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    milvus_host: str = "127.0.0.1"
    milvus_port: int = Field(19530, ge=1, le=65535)
    milvus_user: str = ""
    milvus_password: SecretStr = SecretStr("")
    milvus_collection: str = Field("fashion", pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")
    """The alias that is searched; a load makes collections behind it."""

    milvus_timeout: float = Field(2, gt=0)
    """Seconds that a search or a look-up may take."""

    milvus_ef: int = Field(128, ge=1)
    """Breadth of the HNSW search: higher finds more of the true neighbours and takes longer."""

    minio_endpoint: str = "http://127.0.0.1:9000"
    """The store as this process reaches it; http:// may be left out."""

    minio_public_endpoint: str = "http://127.0.0.1:9000"
    """The store as a browser reaches it; links are signed for this host and no other."""

    minio_access_key_id: str = ""
    minio_secret_access_key: SecretStr = SecretStr("")
    minio_bucket_name: str = "fashion"
    minio_region: str = "us-east-1"
    """Known beforehand, so that signing a link asks nobody."""

    minio_timeout: float = Field(10, gt=0)
    """Seconds that one transfer may stand still."""

    presign_expires: int = Field(3600, ge=1, le=7 * 24 * 3600)
    """Seconds that a link to a photo is valid."""

    @field_validator("minio_endpoint", "minio_public_endpoint")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        """As `scheme://host[:port]`: signatures know nothing of paths."""
        address = value if "://" in value else f"http://{value}"
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("this is no address of a store; write http://host:port or https://host:port")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError("a store's address is http://host:port or https://host:port, with nothing after it")
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def milvus_uri(self) -> str:
        return f"http://{self.milvus_host}:{self.milvus_port}"
