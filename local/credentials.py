"""The stack's own credentials: made once, kept in a file that only its owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_NAMES = ("MINIO_ACCESS_KEY_ID", "MINIO_SECRET_ACCESS_KEY")


def credentials(file: Path) -> dict[str, str]:
    """The credentials in `file` (mode 0600); new ones where there is no such file."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{name}={secrets.token_urlsafe(24)}\n" for name in _NAMES)
        # Written whole, then given its name: a start that is cut short leaves no half a secret behind.
        draft = file.with_suffix(".new")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        draft.replace(file)
    lines = file.read_text().splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines) if name in _NAMES}
