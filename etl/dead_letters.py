"""The photos that could not be loaded, each with its reason: a file of JSON lines for each source."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from etl.errors import RecordError


@dataclass(frozen=True)
class DeadLetter:
    """What failed and why."""

    id: str
    path: str
    code: str
    message: str


class DeadLetters:
    """What fails in this load. Thread-safe; each letter is on disk when `add` returns.

    The letters of the load before stay readable until `begin`.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Forget the letters of the load before."""
        self.file.write_text("")

    def add(self, id: str, path: str, error: RecordError) -> None:
        letter = {
            "id": id,
            "path": path,
            "code": error.code,
            "message": error.message,
            "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        }
        with self._lock, self.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(letter) + "\n")

    def letters(self) -> list[DeadLetter]:
        """All letters; a last line that was cut off is left out."""
        found = []
        if self.file.exists():
            for line in self.file.read_text("utf-8").splitlines():
                try:
                    letter = json.loads(line)
                except ValueError:
                    continue
                found.append(DeadLetter(letter["id"], letter["path"], letter["code"], letter["message"]))
        return found

    def codes(self) -> Counter[str]:
        """How often each reason occurs."""
        return Counter(letter.code for letter in self.letters())
