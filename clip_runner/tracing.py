"""BentoML's tracing: spans of every request and call, a fifth of a small request's CPU, handed to nobody by default."""

from __future__ import annotations

import os
from typing import Any


def tracing() -> dict[str, Any]:
    """What a service says of its tracing: nobody's requests are traced, unless `OTEL_SDK_DISABLED=false` is set."""
    # Read by OpenTelemetry itself, too: calls to the runner make no spans either.
    off = os.environ.setdefault("OTEL_SDK_DISABLED", "true").lower() == "true"
    return {"excluded_urls": ".*"} if off else {}
