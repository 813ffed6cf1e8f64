"""How a process logs, read from its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def _empty_is_none(value: object) -> object:
    """`LOG_DIR=` in an env file means no folder, not the current one."""
    return None if value == "" else value


class LogSettings(BaseSettings):
    """Settings of the logs; the same in every process."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    log_format: Literal["json", "text"] = "json"
    """json: one object a line, for machines; text: for people at a terminal."""

    log_dir: Annotated[Path | None, BeforeValidator(_empty_is_none)] = None
    """Folder for process, access and error logs; unset or empty: the console alone."""

    log_rotate_mb: float = Field(50, gt=0)
    """A file is closed and a new one begun at this size, and at midnight UTC."""

    log_keep_days: float = Field(14, gt=0)
    """Closed files older than this are removed."""

    log_total_mb: float = Field(1000, gt=0)
    """All log files of the folder together; the oldest closed ones go first."""

    @model_validator(mode="after")
    def _room_for_the_open_files(self) -> LogSettings:
        if self.log_total_mb < 2 * self.log_rotate_mb:
            raise ValueError("LOG_TOTAL_MB must be at least twice LOG_ROTATE_MB, or nothing could be kept")
        return self
