"""What the runner reads from its environment, once, at its start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

BUNDLED_MODEL = Path(__file__).parent / "mini" / "fashion-clip-mini"


class RunnerSettings(BaseSettings):
    """Settings of the runner process."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", protected_namespaces=())

    model_id: str = str(BUNDLED_MODEL)
    """A hub id or a folder with any transformers dual encoder of texts and images."""

    model_device: str = "auto"
    """auto, cpu, cuda, cuda:1 ...; auto takes a GPU where there is one."""

    model_dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto: the fastest type of this hardware whose vectors agree with float32 (cosine >= 0.999)."""

    model_threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Threads of one forward pass on a CPU."""

    max_text_batch: int = Field(128, ge=1)
    """Most texts in one forward pass."""

    max_image_batch: int = Field(32, ge=1)
    """Most photos in one forward pass."""

    request_timeout: float = Field(30, gt=0)
    """Seconds after which nobody waits for an answer any more (the service's limit)."""
