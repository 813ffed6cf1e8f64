"""The photos that could not be loaded, each with its reason: a file of JSON lines for each source."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from etl.dataset import Record
from etl.errors import RecordError


class DeadLetters:
    """What failed in this load; the file of the load before is replaced when the load begins. Thread-safe."""

    def __init__(self, folder: Path, source: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        safe = "".join(char if char.isalnum() or char in "-_." else "_" for char in source)
        self.file = folder / f"{safe}.failed.jsonl"
        self.file.write_text("")
        self._lock = threading.Lock()

    def add(self, record: Record, error: RecordError) -> None:
        line = json.dumps({"id": record.id, "path": record.path, "code": error.code, "message": error.message})
        with self._lock, self.file.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
