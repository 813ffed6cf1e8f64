"""When a log file is closed, and when a closed one is removed."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable
from datetime import UTC, date
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from loguru import Message

KINDS = ("process", "access", "error")
_OURS = re.compile(rf"(?:{'|'.join(KINDS)})\..+\.log")
_MB = 1024 * 1024


def log_file(folder: Path, kind: str, process: str) -> Path:
    """`<kind>.<process>.<host>-<pid>.log`: the host too, since containers that share a folder share pids."""
    return folder / f"{kind}.{process}.{socket.gethostname()}-{os.getpid()}.log"


class Rotation:
    """True when the next line would make the file too large, or is of another day (UTC) than the last one."""

    def __init__(self, max_mb: float) -> None:
        self._max_bytes = int(max_mb * _MB)
        self._day: date | None = None

    def __call__(self, message: Message, file: TextIO) -> bool:
        day = message.record["time"].astimezone(UTC).date()
        new_day = self._day is not None and day > self._day
        self._day = day
        size = file.seek(0, os.SEEK_END)
        return size > 0 and (new_day or size + len(message.encode()) > self._max_bytes)


class Pruning:
    """Removes the oldest log files of a folder, whichever process wrote them, until age and total size fit.

    The writers reopen a file that was removed under them, so a quiet process loses nothing that is still to come.
    """

    def __init__(self, folder: Path, *, total_mb: float, keep_days: float, open_files: Iterable[Path]) -> None:
        self._folder = folder
        self._total_bytes = int(total_mb * _MB)
        self._keep_seconds = keep_days * 86_400
        self._open = set(open_files)

    def __call__(self, _: object = None) -> None:
        files = sorted(self._stats(), key=lambda file: file[1])
        total = sum(size for _, _, size in files)
        for path, modified, size in files:
            if total <= self._total_bytes and time() - modified <= self._keep_seconds:
                break
            if path not in self._open:
                path.unlink(missing_ok=True)
                total -= size

    def _stats(self) -> list[tuple[Path, float, int]]:
        found = []
        for path in self._folder.iterdir():
            if _OURS.fullmatch(path.name) is None:
                continue
            try:
                stat = path.stat()
            except FileNotFoundError:  # another process was quicker
                continue
            found.append((path, stat.st_mtime, stat.st_size))
        return found
