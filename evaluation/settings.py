"""What the measurement reads from its environment."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class EvaluationSettings(BaseSettings):
    """Settings of `python -m evaluation`."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", protected_namespaces=())

    model_serving_host: str = "127.0.0.1"
    model_serving_port: int = Field(3000, ge=1, le=65535)
    eval_api_url: str = ""
    """The service to measure; empty: http://MODEL_SERVING_HOST:MODEL_SERVING_PORT."""

    eval_api_key: SecretStr = SecretStr("")
    """A key of it with the scope search."""

    @property
    def url(self) -> str:
        return self.eval_api_url.rstrip("/") or f"http://{self.model_serving_host}:{self.model_serving_port}"
