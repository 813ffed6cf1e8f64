"""What the runner reads from its environment, once, at its start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

BUNDLED_MODEL = Path(__file__).parent / "mini" / "fashion-clip-mini"


def _cache() -> Path | None:
    """Where a user's programs keep what they can make again; None without a home, as in some containers."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fashion-search"
    except RuntimeError:
        return None


class RunnerSettings(BaseSettings):
    """Settings of the runner process."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", protected_namespaces=())

    model_id: str = str(BUNDLED_MODEL)
    """A hub id or a folder with any transformers dual encoder of texts and images."""

    model_device: str = "auto"
    """auto, cpu, cuda, cuda:1 ...; auto takes a GPU where there is one."""

    model_backend: Literal["torch", "openvino"] = "torch"
    """What computes the model; openvino is an optional package, for CPUs."""

    model_dtype: Literal["auto", "float32", "bfloat16", "float16", "mixed"] = "auto"
    """auto: the fastest type of this hardware whose vectors agree with float32 (cosine >= 0.999).

    mixed: sums and norms in float32, matrix products in bfloat16.
    """

    model_threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Threads that a batch is shared among on a CPU; a small one takes a single thread."""

    model_cache_dir: Path | None = Field(default_factory=_cache)
    """Where OpenVINO's form of a model is kept, in float32; empty: nowhere, and it is made anew at each start."""

    max_text_batch: int = Field(128, ge=1)
    """Most texts in one forward pass."""

    max_image_batch: int = Field(32, ge=1)
    """Most photos in one forward pass."""

    request_timeout: float = Field(30, gt=0)
    """Seconds after which nobody waits for an answer any more (the service's limit)."""

    @field_validator("model_cache_dir", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        if value == "":
            return None
        return Path(value).expanduser() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _backend_has_the_type(self) -> RunnerSettings:
        if self.model_backend == "openvino":
            if self.model_dtype in ("float16", "mixed"):
                raise ValueError("MODEL_BACKEND=openvino computes in MODEL_DTYPE auto, float32 or bfloat16")
            if self.model_device not in ("auto", "cpu"):
                raise ValueError("MODEL_BACKEND=openvino computes on MODEL_DEVICE auto or cpu")
        return self
