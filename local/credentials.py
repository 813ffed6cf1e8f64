"""The stack's own credentials: made once, kept in a file that only its owner can read."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path

_NAMES = ("MINIO_ACCESS_KEY_ID", "MINIO_SECRET_ACCESS_KEY")


def credentials(file: Path) -> dict[str, str]:
    """The credentials in `file` (mode 0600); new ones where there is no such file."""
    if not file.exists():
        write_private(file, {name: secrets.token_urlsafe(24) for name in _NAMES})
    lines = file.read_text().splitlines()
    return {name: value for name, _, value in (line.partition("=") for line in lines) if name in _NAMES}


def write_private(file: Path, values: Mapping[str, str]) -> None:
    """Write `NAME=value` lines, as a shell reads them, to a file of mode 0600."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Written whole, then given its name: a start that is cut short leaves no half a secret behind.
    draft = file.with_suffix(".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.writelines(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
    draft.replace(file)
