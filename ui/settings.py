"""What the search page reads from its environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class UiSettings(BaseSettings):
    """Settings of the page's process."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", protected_namespaces=())

    model_serving_host: str = "127.0.0.1"
    model_serving_port: int = Field(3000, ge=1, le=65535)
    ui_api_url: str = ""
    """The service; empty: http://MODEL_SERVING_HOST:MODEL_SERVING_PORT."""

    ui_api_key: SecretStr = SecretStr("")
    """A key of the service with the scope search; it never leaves the page's server."""

    ui_title: str = "Fashion search"
    ui_examples: Annotated[tuple[str, ...], NoDecode] = (
        "black leather jacket",
        "white sneakers",
        "denim jacket",
        "yellow polo shirt",
        "pink dress",
        "warm knitted hat",
    )
    """Searches to click on at the first visit, separated by semicolons."""

    ui_timeout: float = Field(15, gt=0)
    """Seconds that one call to the service may take."""

    ui_use_proxy: bool = False
    """Whether HTTP_PROXY, HTTPS_PROXY and NO_PROXY apply to calls to the service; it is usually a neighbour."""

    ui_metrics_port: int = Field(0, ge=0, le=65535)
    """Port of the page's own metrics; 0: none."""

    ui_metrics_host: str = "127.0.0.1"
    """Address that the metrics listen on."""

    @field_validator("ui_examples", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(";") if part.strip())
        return value

    @property
    def api_url(self) -> str:
        return self.ui_api_url.rstrip("/") or f"http://{self.model_serving_host}:{self.model_serving_port}"
