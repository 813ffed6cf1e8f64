"""The webhook's own metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class WebhookMetrics:
    """All metrics of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.groups = Counter("alert_webhook_groups_total", "Alert groups taken.", ("status",), registry=registry)
        self.messages = Counter("alert_webhook_messages_total", "Messages by outcome.", ("outcome",), registry=registry)
        self.attempts = Counter(
            "alert_webhook_attempts_total", "Attempts to deliver, by Discord's answer.", ("answer",), registry=registry
        )
        self.dead_letters = Counter(
            "alert_webhook_dead_letters_total", "Messages given up, by reason.", ("reason",), registry=registry
        )
        self.pending = Gauge("alert_webhook_pending_messages", "Messages that wait.", registry=registry)
        self.oldest = Gauge(
            "alert_webhook_oldest_pending_seconds", "Seconds that the oldest message has waited.", registry=registry
        )
        # Present from the start: an alert on their increase needs the zero before the one.
        for status in ("firing", "resolved"):
            self.groups.labels(status)
        for outcome in ("delivered", "dry", "dead"):
            self.messages.labels(outcome)
        for reason in ("refused", "too_old", "unreadable"):
            self.dead_letters.labels(reason)
