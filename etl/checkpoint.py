"""What a load remembers on disk: how far it came, and what each photo looked like then."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.errors import EtlError, RecordError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
    id TEXT PRIMARY KEY, mark TEXT, hash TEXT NOT NULL, fields TEXT NOT NULL, code TEXT, message TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS in_flight (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Known:
    """A photo as it was when it was last loaded, or refused: then `code` says why.

    `mark`: see `Record`; `hash`: the SHA-256 of its content; `fields`: a digest of the item's fields.
    """

    id: str
    mark: str | None
    hash: str
    fields: str
    code: str | None = None
    message: str | None = None

    @property
    def error(self) -> RecordError | None:
        """Why the photo was refused."""
        return None if self.code is None else RecordError(self.code, self.message or "", lasting=True)


_TO_OPEN = 65536  # bytes that SQLite takes beside a file that it opens; without them it speaks of an I/O error


class Checkpoint:
    """A source's checkpoint, for one collection. Thread-safe; what a method wrote outlives a killed process."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._lock = threading.Lock()
        try:
            # Autocommit: each `with self._db` below is one transaction, and nothing stays open between them.
            self._db = sqlite3.connect(file, check_same_thread=False, timeout=30)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            if shutil.disk_usage(file.parent).free < _TO_OPEN:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file)) from error
            raise EtlError(
                f"{file}: the checkpoint cannot be read ({error}); remove it, and the next load compares all anew"
            ) from error

    def close(self) -> None:
        self._db.close()

    # --- one load

    def begin(self, collection: str) -> int:
        """Start a load into a collection; returns how many photos the load before left in flight.

        A checkpoint for another collection is forgotten.
        """
        if self.fact("collection") != collection:
            self.forget()
            self.note("collection", collection)
        with self._lock, self._db:
            left = int(self._db.execute("SELECT count(*) FROM in_flight").fetchone()[0])
            self._db.execute("DELETE FROM in_flight")
            self._db.execute("DELETE FROM seen")
        return left

    def forget(self) -> None:
        """Know nothing of any photo any more: the next load compares all with the collection."""
        with self._lock, self._db:
            self._db.execute("DELETE FROM items")
            self._db.execute("DELETE FROM in_flight")

    def see(self, ids: Sequence[str]) -> list[bool]:
        """Note that the source holds these ids; tells of each whether it came before in this load."""
        with self._lock, self._db:
            return [self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (id,)).rowcount == 0 for id in ids]

    def unseen(self, ids: Sequence[str]) -> list[str]:
        """Those of the ids that the source does not hold."""
        with self._lock:
            there = set(self._select("SELECT id FROM seen WHERE id IN", ids))
        return [id for id in ids if (id,) not in there]

    def known(self, ids: Sequence[str]) -> dict[str, Known]:
        """What is known of these photos."""
        with self._lock:
            rows = self._select("SELECT id, mark, hash, fields, code, message FROM items WHERE id IN", ids)
            return {row[0]: Known(*row) for row in rows}

    def sent(self, ids: Iterable[str]) -> None:
        """Note that these photos go to the encoder, and are in flight until they are settled."""
        with self._lock, self._db:
            self._db.executemany("INSERT OR IGNORE INTO in_flight VALUES (?)", [(id,) for id in ids])

    def came_back(self, ids: Iterable[str]) -> None:
        """Note that these photos are no longer in flight, though nothing is settled for them."""
        with self._lock, self._db:
            self._db.executemany("DELETE FROM in_flight WHERE id = ?", [(id,) for id in ids])

    def settle(self, photos: Sequence[Known]) -> None:
        """Note what became of photos: loaded, or refused."""
        rows = [(photo.id, photo.mark, photo.hash, photo.fields, photo.code, photo.message) for photo in photos]
        with self._lock, self._db:
            self._db.executemany("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._db.executemany("DELETE FROM in_flight WHERE id = ?", [(photo.id,) for photo in photos])

    def drop(self, ids: Sequence[str]) -> None:
        """Forget these photos; they are neither loaded nor in flight any more."""
        with self._lock, self._db:
            for table in ("items", "in_flight"):
                self._db.executemany(f"DELETE FROM {table} WHERE id = ?", [(id,) for id in ids])  # noqa: S608 - names above

    def loaded(self) -> int:
        """How many items of the collection are known here."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM items WHERE code IS NULL").fetchone()[0])

    def loaded_ids(self, together: int = 500) -> Iterator[list[str]]:
        """The ids of the items that are known here, so many at a time, in their order."""
        last = ""
        while True:
            with self._lock:
                query = "SELECT id FROM items WHERE code IS NULL AND id > ? ORDER BY id LIMIT ?"
                ids = [row[0] for row in self._db.execute(query, (last, together))]
            if not ids:
                return
            yield ids
            last = ids[-1]

    # --- facts about the source

    def fact(self, key: str) -> Any:
        """What was noted under a key; None where nothing was."""
        with self._lock:
            row = self._db.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def note(self, key: str, value: Any) -> None:
        with self._lock, self._db:
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, json.dumps(value)))

    def _select(self, query: str, ids: Sequence[str]) -> Iterator[Any]:
        places = ", ".join("?" * len(ids))
        yield from self._db.execute(f"{query} ({places})", list(ids)).fetchall()
