"""How a process logs, read from its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LogSettings(BaseSettings):
    """Settings of the logs; the same in every process."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "text"] = "text"
    """json: one object a line, for machines; text: for people at a terminal."""

    log_dir: Path | None = None
    """Folder for process, access and error logs; unset: the console alone."""

    log_rotate_mb: int = Field(50, ge=1)
    """A file is closed and a new one begun at this size, and at midnight UTC."""

    log_keep: int = Field(5, ge=1)
    """Closed files kept of each log; with the size above this caps what the logs can fill."""
