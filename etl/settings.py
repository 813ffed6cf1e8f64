"""What a load reads from its environment; most of it is also a flag of the command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from catalog.settings import StoreSettings

SOURCE_SETTINGS = frozenset({
    "etl_source_name", "etl_photos", "etl_mapping", "etl_map", "etl_file_column", "etl_id_column", "etl_id_prefix",
    "etl_sha256", "etl_allow_private", "etl_url_timeout", "etl_max_photo_mb",
})  # fmt: skip
"""What belongs to a source: a retry reads it as the load before it did."""


class EtlSettings(StoreSettings):
    """Settings of the ETL process; those of the stores come with it."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", protected_namespaces=())

    model_serving_host: str = "127.0.0.1"
    model_serving_port: int = Field(3000, ge=1, le=65535)
    etl_encoder_url: str = ""
    """The service that encodes; empty: http://MODEL_SERVING_HOST:MODEL_SERVING_PORT."""

    etl_api_key: SecretStr = SecretStr("")
    """A key of the service with the scope encode."""

    etl_state_dir: Path = Path(".local/etl")
    """Folder for checkpoints, dead letters and downloads."""

    etl_source_name: str = Field("", max_length=100)
    etl_photos: str = ""
    """Where a table's photos lie, when not beside it."""

    etl_mapping: Path | None = None
    etl_map: Annotated[tuple[str, ...], NoDecode] = ()
    """`column=field` entries, separated by commas in the environment."""

    etl_file_column: str = ""
    etl_id_column: str = ""
    etl_id_prefix: str = ""
    etl_sha256: str = Field("", pattern="^([0-9a-fA-F]{64})?$")
    etl_allow_private: bool = False
    etl_url_timeout: float = Field(30, gt=0)
    """Seconds for one photo from the web."""

    etl_max_photo_mb: float = Field(30, gt=0)
    """Megabytes of the largest photo; the service takes bodies of MAX_BODY_MB."""

    etl_batch: int = Field(32, ge=1, le=64)
    """Most photos in one request to the service."""

    etl_batch_mb: float = Field(16, gt=0)
    """Most megabytes in one request to the service; a larger photo goes alone."""

    etl_in_flight: int = Field(4, ge=1, le=64)
    """Requests to the service under way at once."""

    etl_readers: int = Field(8, ge=1, le=256)
    """Photos that are read, and that are stored, at once."""

    etl_wait: float = Field(600, ge=0)
    """Seconds to wait for a part that is away before the load gives up."""

    etl_max_failures: int = Field(0, ge=0)
    """Photos that may fail before the command's exit code says so."""

    etl_prune: bool = False
    etl_full: bool = False
    """Trust no checkpoint: read every photo, compare with the collection."""

    etl_metrics_port: int | None = Field(None, ge=1, le=65535)

    etl_s3_endpoint: str = ""
    """Store of `s3://` sources, with its credentials; empty: the catalogue's own."""

    etl_s3_access_key_id: str = ""
    etl_s3_secret_access_key: SecretStr = SecretStr("")
    etl_s3_region: str = ""

    @field_validator("etl_map", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("etl_mapping", "etl_metrics_port", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @property
    def encoder_url(self) -> str:
        return self.etl_encoder_url.rstrip("/") or f"http://{self.model_serving_host}:{self.model_serving_port}"

    @property
    def most_photo_bytes(self) -> int:
        return int(self.etl_max_photo_mb * 1e6)

    @property
    def batch_bytes(self) -> int:
        return int(self.etl_batch_mb * 1e6)

    @property
    def s3_source(self) -> StoreSettings:
        """Where `s3://` sources are."""
        if not self.etl_s3_endpoint:
            return self
        changes: dict[str, Any] = {
            "minio_endpoint": self.etl_s3_endpoint,
            "minio_access_key_id": self.etl_s3_access_key_id,
            "minio_secret_access_key": self.etl_s3_secret_access_key,
            "minio_region": self.etl_s3_region or self.minio_region,
        }
        return StoreSettings.model_validate(self.model_dump() | changes)
