"""Where the laptop stack lives and on which ports."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LocalSettings(BaseSettings):
    """Settings of `make run`; all of it is on 127.0.0.1."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    local_dir: Path = Path(".local")
    """Folder for data, credentials and logs; removing it starts anew."""

    api_port: int = Field(3000, ge=1, le=65535)
    ui_port: int = Field(8501, ge=1, le=65535)
    milvus_port: int = Field(19530, ge=1, le=65535)
    s3_port: int = Field(9000, ge=1, le=65535)

    @property
    def ports(self) -> dict[str, int]:
        """Each port by the variable that sets it."""
        return {
            "API_PORT": self.api_port,
            "UI_PORT": self.ui_port,
            "MILVUS_PORT": self.milvus_port,
            "S3_PORT": self.s3_port,
        }
