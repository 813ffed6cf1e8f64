"""What a load reads from its environment; each setting is also a flag of the command."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from catalog.settings import StoreSettings


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
    """Folder for what failed, one file a source."""

    etl_batch: int = Field(32, ge=1, le=64)
    """Photos in one request to the service."""

    etl_batch_mb: float = Field(16, gt=0, le=30)
    """Most megabytes in one request to the service."""

    etl_in_flight: int = Field(4, ge=1, le=32)
    """Batches under way at once; with the batch's size this bounds the memory."""

    etl_wait: float = Field(600, ge=0)
    """Seconds to wait for a part that is away before the load gives up."""

    etl_max_failures: int = Field(0, ge=0)
    """Photos that may fail before the command's exit code says so."""

    @property
    def encoder_url(self) -> str:
        return self.etl_encoder_url.rstrip("/") or f"http://{self.model_serving_host}:{self.model_serving_port}"
