"""Takes secrets out of a log line before it is written anywhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

HIDDEN = "[hidden]"

# What secrets are called; none is here.
_SECRET_NAME = r"(?:password|passwd|secret|token|credential|authorization|api[_-]?key|secret[_-]?access[_-]?key)"  # noqa: S105 - names
_SECRET_KEY = re.compile(_SECRET_NAME, re.IGNORECASE)
_SHAPES = re.compile(
    "|".join(
        (
            r"(?P<scheme>\bBearer\s+|\bauthorization[\"']?\s*[:=]\s*[\"']?Basic\s+)[A-Za-z0-9._~+/=-]{6,}",
            r"(?P<userinfo>://[^\s/:@\"']*:)[^\s/@\"']+(?=@)",
            r"(?P<signed>\bX-Amz-(?:Signature|Credential|Security-Token)=)[^&\s\"'<>\\]+",
            r"(?P<header>\bX-API-Key[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&}]+",
            r"(?P<hook>/api/webhooks/\d+/)[\w-]+",
            rf"(?P<pair>\b[\w-]*{_SECRET_NAME}[\"']?\s*[:=]\s*[\"']?)(?!(?:Bearer|Basic)\s|\[hidden\])[^\s\"',;&}}]+",
        )
    ),
    re.IGNORECASE,
)
# A cheap look that spares most lines the costlier expression above.
_HINT = re.compile(
    r"bearer|://|x-amz|key|webhooks|password|passwd|secret|token|credential|authorization", re.IGNORECASE
)
_SECRET_VARIABLE = re.compile(r"PASSWORD|SECRET|TOKEN|ENCRYPTION_KEY|WEBHOOK_URL|API_KEY$")
_SHORTEST = 6
"""Shorter values are not looked for: they would blacken ordinary words."""


class Redactor:
    """Replaces known secrets, and whatever looks like one, by `[hidden]`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def clean(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        if _HINT.search(text) is None:
            return text
        return _SHAPES.sub(_keep_the_name, text)

    def clean_value(self, key: str, value: object) -> object:
        """A bound field: hidden whole when its name says secret, else cleaned where it holds text."""
        if _is_secret(key):
            return HIDDEN
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, bool | int | float) or value is None:
            return value
        return self.clean(str(value))


def secrets_of(environment: Mapping[str, str] = os.environ) -> set[str]:
    """The values of variables whose names say that they are secret."""
    return {value for name, value in environment.items() if value and _SECRET_VARIABLE.search(name)}


@lru_cache
def _is_secret(key: str) -> bool:
    """By its name. Lines have few keys, and the same ones again and again."""
    return _SECRET_KEY.search(key) is not None


def _keep_the_name(match: re.Match[str]) -> str:
    name = match.lastgroup
    return f"{match.group(name) if name else ''}{HIDDEN}"
