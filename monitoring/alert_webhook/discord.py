"""An alert group as Discord messages, cut to Discord's limits.

Limits: https://discord.com/developers/docs/resources/message#embed-object-embed-limits
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monitoring.alert_webhook.alerts import Alert, AlertGroup

CONTENT = 2000
EMBEDS = 10
TOTAL = 6000  # characters of all embeds of a message together
TITLE, DESCRIPTION, FOOTER = 256, 4096, 2048
FIELDS, FIELD_NAME, FIELD_VALUE = 25, 256, 1024

_RED, _ORANGE, _GREEN = 0xD92D20, 0xF79009, 0x12B76A
# One alert never takes more than this of a message: its story belongs into the runbook, not into the chat.
_DESCRIPTION_SHOWN, _VALUE_SHOWN, _LABELS_SHOWN = 600, 120, 8

Message = dict[str, Any]


def messages(group: AlertGroup, *, runbook_base_url: str = "") -> list[Message]:
    """The bodies to post, in order; each within the limits. Firing alerts come before resolved ones."""
    alerts = sorted(group.alerts, key=lambda alert: (alert.status != "firing", alert.starts_at))
    embeds = [_embed(alert, group.external_url, runbook_base_url) for alert in alerts]
    parts = list(_parts(embeds))
    return [
        {
            "content": cut(_headline(group, number, len(parts)), CONTENT),
            "embeds": part,
            "allowed_mentions": {"parse": []},  # a label that reads @everyone wakes nobody
        }
        for number, part in enumerate(parts, start=1)
    ]


def cut(text: str, limit: int) -> str:
    """At most `limit` characters as Discord counts them (UTF-16 units), the end marked where something is missing."""
    if length(text) <= limit:
        return text
    while length(text) > limit - 1:
        text = text[: -max(1, (length(text) - limit + 1) // 2)]
    return text + "…"


def length(text: str) -> int:
    """Characters as Discord counts them: UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _headline(group: AlertGroup, number: int, count: int) -> str:
    firing = sum(alert.status == "firing" for alert in group.alerts)
    resolved = len(group.alerts) - firing
    parts = [f"{firing} firing" if firing else "", f"{resolved} resolved" if resolved else ""]
    name = group.group_labels.get("alertname", "alerts")
    text = f"**{name}**: {', '.join(part for part in parts if part)}"
    if group.truncated_alerts:
        text += f" (and {group.truncated_alerts} more that Alertmanager left out)"
    return text + (f" ({number}/{count})" if count > 1 else "")


def _embed(alert: Alert, external_url: str, runbook_base_url: str) -> Message:
    name = alert.labels.get("alertname", "alert")
    severity = alert.labels.get("severity", "warning")
    firing = alert.status == "firing"
    colour = _GREEN if not firing else _RED if severity == "critical" else _ORANGE
    summary = alert.annotations.get("summary") or name
    embed: Message = {
        "title": cut(summary if firing else f"Resolved: {summary}", TITLE),
        "color": colour,
        "fields": _fields(alert, runbook_base_url),
        "footer": {"text": cut(f"{name} · {severity}", FOOTER)},
        "timestamp": (alert.starts_at if firing or alert.ends_at is None else alert.ends_at).isoformat(),
    }
    if firing and (description := alert.annotations.get("description")):
        embed["description"] = cut(description, min(DESCRIPTION, _DESCRIPTION_SHOWN))
    if external_url.startswith(("http://", "https://")):
        embed["url"] = cut(external_url, 2000)
    return embed


def _fields(alert: Alert, runbook_base_url: str) -> list[Message]:
    labels = {name: value for name, value in alert.labels.items() if name not in ("alertname", "severity", "system")}
    fields = [
        {"name": cut(name, FIELD_NAME), "value": cut(value, min(FIELD_VALUE, _VALUE_SHOWN)) or "-", "inline": True}
        for name, value in sorted(labels.items())[:_LABELS_SHOWN]
    ]
    if runbook := alert.annotations.get("runbook_url"):
        address = runbook if "://" in runbook or not runbook_base_url else f"{runbook_base_url.rstrip('/')}/{runbook}"
        fields.append({"name": "What to do", "value": cut(address, FIELD_VALUE), "inline": False})
    return fields[:FIELDS]


def _parts(embeds: list[Message]) -> Iterator[list[Message]]:
    part: list[Message] = []
    size = 0
    for embed in embeds:
        more = _size(embed)
        if part and (len(part) == EMBEDS or size + more > TOTAL):
            yield part
            part, size = [], 0
        part.append(embed)
        size += more
    if part:
        yield part


def _size(embed: Message) -> int:
    texts = [embed["title"], embed.get("description", ""), embed["footer"]["text"]]
    texts += [text for field in embed["fields"] for text in (field["name"], field["value"])]
    return sum(length(text) for text in texts)
