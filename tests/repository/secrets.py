"""What secrets look like, wherever they lie around."""

from __future__ import annotations

import re

SECRETS = re.compile(
    "|".join((
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",  # Amazon
        r"\bgh[pousr]_[A-Za-z0-9]{30,}",  # GitHub
        r"\bhf_[A-Za-z0-9]{30,}",  # Hugging Face
        r"\bxox[abprs]-[A-Za-z0-9-]{20,}",  # Slack
        r"\bpypi-[A-Za-z0-9_-]{50,}",
        r"\bAIza[A-Za-z0-9_-]{35}\b",  # Google
        r"discord(?:app)?\.com/api/webhooks/\d{17,}/[\w-]{60,}",
        r"\beyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}",  # a signed token
        # A variable that is secret, with a value as `make secrets` makes them.
        r"\b[A-Z_]*(?:PASSWORD|SECRET_ACCESS_KEY|API_KEY|ENCRYPTION_KEY)=(?:Aa1-)?[0-9a-f]{32,}\b",
    ))
)  # fmt: skip
