"""What Alertmanager posts (its webhook format, version 4)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["firing", "resolved"]


class Alert(BaseModel):
    """One alert of a group."""

    model_config = ConfigDict(populate_by_name=True)

    status: Status
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: datetime = Field(alias="startsAt")
    ends_at: datetime | None = Field(None, alias="endsAt")
    generator_url: str = Field("", alias="generatorURL")
    fingerprint: str = ""


class AlertGroup(BaseModel):
    """Alerts that Alertmanager put together."""

    model_config = ConfigDict(populate_by_name=True)

    version: Literal["4"]
    status: Status
    group_key: str = Field(alias="groupKey")
    truncated_alerts: int = Field(0, alias="truncatedAlerts")
    group_labels: dict[str, str] = Field(default={}, alias="groupLabels")
    external_url: str = Field("", alias="externalURL")
    alerts: list[Alert]
