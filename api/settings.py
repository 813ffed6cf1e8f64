"""What the service reads from its environment, once, at its start."""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from catalog.settings import StoreSettings

Network = IPv4Network | IPv6Network


class ServiceSettings(StoreSettings):
    """Settings of the API process; those of the stores come with it, those of the model belong to the runner."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    environment: Literal["local", "production"] = "local"
    """Outside `local` a missing or default secret stops the start."""

    prompt_template: str = "a photo of {query}."
    """Put around a search's words when "photo" is not among them."""

    max_body_mb: float = Field(32, gt=0)
    max_image_mpixels: float = Field(64, gt=0)
    max_concurrency: int = Field(128, ge=1)
    """Requests under way in one API process; more are answered 429."""

    request_timeout: float = Field(30, gt=0)
    """Seconds after which a request is answered 504."""

    part_timeout: float = Field(2, gt=0)
    """Seconds without an answer after which a hung part (runner, Milvus, store) counts as away."""

    probe_interval: float = Field(0.5, gt=0)
    """Seconds between two looks at each part; shorter in the first minute, until it has answered (`api.health`)."""

    api_workers: int = Field(1, ge=1)
    """API processes; each holds its own connections and limits."""

    decode_threads: int = Field(
        default_factory=lambda known: max(1, (os.cpu_count() or 1) // known.get("api_workers", 1)), ge=1
    )
    """Threads that decode photos, in each API process; together one a processor, where it is not said."""

    text_cache_items: int = Field(4096, ge=0)
    """Texts whose vectors each API process remembers, the ones used last; 0: none."""

    jpeg_draft: Literal["auto", "never"] = "auto"
    """auto: large JPEGs are decoded at a fraction of their size, several times as fast; never: always in full."""

    api_keys: Annotated[tuple[str, ...], NoDecode] = ()
    """`name:scope:sha256` entries, separated by commas; empty: no key is asked for."""

    open_docs: bool = True
    """Whether `/`, `/docs.json` are shown without a key of scope admin."""

    open_metrics: bool = True
    """Whether `/metrics` is shown without a key of scope admin."""

    rate_limit_per_minute: int = Field(0, ge=0)
    """Requests a minute for each key, or each address where no key is used; 0: no limit."""

    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    """Networks whose X-Forwarded-For is believed, separated by commas."""

    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins whose pages may call this service, separated by commas; empty: none."""

    drain_file: Path | None = None
    """While this file exists `/readyz` says 503: the proxy in front leaves the instance out before it stops."""

    @field_validator("api_keys", "trusted_proxies", "cors_origins", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("drain_file", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("prompt_template")
    @classmethod
    def _has_place_for_query(cls, value: str) -> str:
        if value.count("{query}") != 1:
            raise ValueError("PROMPT_TEMPLATE must hold {query} exactly once")
        return value
