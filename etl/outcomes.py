"""What becomes of records: counted, and where one fails, written to the dead letters."""

from __future__ import annotations

from etl.dataset import Record
from etl.dead_letters import DeadLetters
from etl.errors import RecordError
from etl.progress import LoadProgress


class Outcomes:
    """The outcomes of one load's records. Thread-safe."""

    def __init__(self, dead: DeadLetters, progress: LoadProgress) -> None:
        self._dead = dead
        self._progress = progress

    def count(self, outcome: str, *, records: int = 1, size: int = 0) -> None:
        """Count records that came to their outcome, with the bytes that were read for them."""
        self._progress.count(outcome, records, size)

    def fail(self, record: Record, error: RecordError) -> None:
        """Count a record that cannot be loaded; its letter is on disk first."""
        self._dead.add(record.id, record.path, error)
        self._progress.count("failed")
