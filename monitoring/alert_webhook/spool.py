"""Messages on disk: those that wait for their delivery, and those that were given up.

A message is a file. It is written and synced before Alertmanager is told that it was taken, so that neither a crash
nor a restart loses it; it is removed only after Discord took it, or moved to `dead/` with the reason.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Waiting:
    """A message that waits."""

    path: Path
    taken_at: float
    """Seconds since the epoch."""

    body: dict[str, Any]


class Spool:
    """A folder of messages, oldest first."""

    def __init__(self, folder: Path, *, unreadable: Callable[[Path], None]) -> None:
        """Args: unreadable: told of a file that is no message; it lies among the dead letters then."""
        self._unreadable = unreadable
        self._pending = folder / "pending"
        self._dead = folder / "dead"
        self._pending.mkdir(parents=True, exist_ok=True)
        self._dead.mkdir(parents=True, exist_ok=True)
        self._number = 0

    def put(self, bodies: list[dict[str, Any]]) -> None:
        """Keep messages, in order; OSError when the disk does not take them."""
        for body in bodies:
            self._number += 1
            path = self._pending / f"{time.time_ns():020d}-{self._number:06d}.json"
            draft = path.with_suffix(".new")
            with draft.open("w", encoding="utf-8") as file:
                json.dump({"taken_at": time.time(), "body": body}, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        _sync(self._pending)

    def waiting(self) -> list[Waiting]:
        """All messages that wait, oldest first; a file that cannot be read becomes a dead letter."""
        found = []
        for path in sorted(self._pending.glob("*.json")):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                found.append(Waiting(path, float(content["taken_at"]), content["body"]))
            except (ValueError, KeyError, TypeError):
                place = path.replace(self._dead / path.name)
                self._unreadable(place)
        return found

    def done(self, message: Waiting) -> None:
        message.path.unlink()

    def bury(self, message: Waiting, reason: str) -> Path:
        """Move a message to the dead letters, with the reason; the file's new place."""
        place = self._dead / message.path.name
        letter = {"taken_at": message.taken_at, "given_up_at": time.time(), "reason": reason, "body": message.body}
        place.write_text(json.dumps(letter, indent=1), encoding="utf-8")
        message.path.unlink()
        return place

    def dead(self) -> list[Path]:
        return sorted(self._dead.glob("*.json"))

    def revive(self) -> int:
        """Let all dead letters wait again, as if they had just come; how many."""
        count = 0
        for path in self.dead():
            try:
                body = json.loads(path.read_text(encoding="utf-8"))["body"]
            except (ValueError, KeyError, TypeError):
                continue  # stays where it is: there is nothing in it to send
            self.put([body])
            path.unlink()
            count += 1
        return count


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
