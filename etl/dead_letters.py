"""The photos that could not be loaded, each with its reason: a file of JSON lines for each source."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import asdict, dataclass
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

    The letters of the load before stay readable until `begin`; a retry keeps them until its `end`, so that one that
    was killed forgets nothing.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._tried = file.with_name(file.name + ".tried")
        self._lock = threading.Lock()

    def begin(self, *, retry: bool = False) -> None:
        """Forget the letters of the load before; those of a retry only at its end."""
        if retry:
            with self._tried.open("a", encoding="utf-8") as stream:
                stream.writelines(json.dumps(asdict(letter)) + "\n" for letter in _read(self.file))
        else:
            self._tried.unlink(missing_ok=True)
        self.file.write_text("")

    def end(self) -> None:
        """The load came to its end: what is in the file now is all that failed."""
        self._tried.unlink(missing_ok=True)

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
        tried, letters = _read(self._tried), _read(self.file)
        if not tried:
            return letters
        # A retry was cut off: what it did not come to is still to be retried, each only once.
        return list({(letter.id, letter.path): letter for letter in tried + letters}.values())

    def codes(self) -> Counter[str]:
        """How often each reason occurs."""
        return Counter(letter.code for letter in self.letters())


def _read(file: Path) -> list[DeadLetter]:
    found = []
    if file.exists():
        for line in file.read_text("utf-8").splitlines():
            try:
                letter = json.loads(line)
            except ValueError:
                continue
            found.append(DeadLetter(letter["id"], letter["path"], letter["code"], letter["message"]))
    return found
