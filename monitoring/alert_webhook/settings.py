"""What the webhook reads from its environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, HttpUrl, SecretStr, TypeAdapter, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class WebhookSettings(BaseSettings):
    """Settings of the alert webhook."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    discord_webhook_url: SecretStr = SecretStr("")
    """Where messages go; who knows it can post. Empty: they are only logged (dry mode)."""

    alert_webhook_host: str = "0.0.0.0"  # noqa: S104 - it is alone in its container
    alert_webhook_port: int = Field(5000, ge=1, le=65535)

    alert_webhook_spool: Path = Path(".local/alerts")
    """Folder of the messages that wait, and of those that could not be delivered."""

    alert_webhook_timeout: float = Field(10, gt=0)
    """Seconds that Discord may take for one message."""

    alert_webhook_give_up: float = Field(6 * 3600, gt=0)
    """Seconds after which a message that could not be delivered becomes a dead letter."""

    alert_webhook_max_wait: float = Field(300, gt=0)
    """Longest pause between two attempts, in seconds."""

    runbook_base_url: str = ""
    """Where this repository can be read, put before the runbook's paths; empty: the path alone is shown."""

    @field_validator("discord_webhook_url")
    @classmethod
    def _is_an_address(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            TypeAdapter(HttpUrl).validate_python(value.get_secret_value())
        return value
