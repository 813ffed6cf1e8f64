"""Archives and tables from the web: fetched once, taken up where a broken transfer ended, checked."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from etl.errors import EtlError, RecordError
from etl.sources.web import WebSession
from etl.waiting import Patience

_CHUNK = 1 << 18
_ROOM = 100 * 10**6  # bytes that stay free on the disk

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and, where it is known, the bytes that there will be."""


class Download:
    """One file from the web, kept in `folder`.

    Beside it lies a note with its validators (ETag, Last-Modified): with them an unchanged file is not fetched
    again, and a transfer that broke goes on where it ended.
    """

    def __init__(self, url: str, folder: Path, session: WebSession, patience: Patience) -> None:
        name = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2] or "download"
        self._url = url
        self._session = session
        self._patience = patience
        self.file = folder / name.replace("\0", "")[:200]
        self._part = self.file.with_name(self.file.name + ".part")
        self._note = self.file.with_name(self.file.name + ".note.json")
        self._part_note = self.file.with_name(self.file.name + ".part.json")

    def fetch(self, *, sha256: str = "", progress: Progress = lambda *_: None) -> Path:
        """The file, fetched where it is not there or has changed.

        Raises EtlError when it cannot be had, or its SHA-256 in hex is not `sha256`.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        done = False
        while not done:
            before = self._there()
            try:
                done = self._go_on(progress)
            except RecordError as error:
                if error.code not in ("timeout", "unreachable"):
                    raise EtlError(error.message) from error
                if self._there() > before:
                    self._patience.back("source")
                self._patience.away("source", error.message)
        self._patience.back("source")
        if sha256 and (found := _sha256(self.file)) != sha256.strip().lower():
            self.file.unlink()
            self._note.unlink(missing_ok=True)
            raise EtlError(f"{self._url}: the checksum is {found}, not {sha256}; the file was thrown away")
        return self.file

    def _go_on(self, progress: Progress) -> bool:
        """One request; False when the transfer broke in the middle."""
        headers = {"Accept-Encoding": "identity"}
        there = self._there()
        if there and (validator := _validator(self._part_note)):
            headers |= {"Range": f"bytes={there}-", "If-Range": validator[1]}
        elif self.file.exists() and (validator := _validator(self._note)):
            headers |= {{"etag": "If-None-Match", "date": "If-Modified-Since"}[validator[0]]: validator[1]}
        with self._session.get(self._url, headers) as answer:
            if answer.status_code == 304:
                return True
            if answer.status_code == 416 or (there and answer.status_code == 206 and _start(answer) != there):
                self._part.unlink(missing_ok=True)
                return False
            if answer.status_code == 429 or answer.status_code >= 500:
                raise RecordError("unreachable", f"{self._url} answers {answer.status_code}")
            if not answer.ok:
                raise EtlError(f"{self._url} answers {answer.status_code}; is the address right?")
            going_on = answer.status_code == 206
            return self._receive(answer, there if going_on else 0, progress)

    def _receive(self, answer: requests.Response, there: int, progress: Progress) -> bool:
        length = answer.headers.get("Content-Length", "")
        total = there + int(length) if length.isdigit() else None
        if total is not None and shutil.disk_usage(self.file.parent).free < total - there + _ROOM:
            raise EtlError(f"{self.file.parent}: not enough room for {total / 1e6:,.0f} MB; set ETL_STATE_DIR")
        with self._part.open("ab" if there else "wb") as target:
            note = {"etag": _strong(answer.headers.get("ETag")), "date": answer.headers.get("Last-Modified")}
            self._part_note.write_text(json.dumps(note))
            for part in answer.iter_content(_CHUNK):
                try:
                    target.write(part)
                except OSError as error:
                    raise EtlError(f"{self._part}: {error.strerror}") from error
                there += len(part)
                progress(there, total)
        if total is not None and there < total:
            return False
        self._part.replace(self.file)
        self._part_note.replace(self._note)
        return True

    def _there(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0


def _validator(note: Path) -> tuple[str, str] | None:
    """What tells whether the file is still the one that the note is about."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found = json.loads(note.read_text())
        for kind in ("etag", "date"):
            if isinstance(value := found.get(kind), str):
                return kind, value
    return None


def _strong(etag: str | None) -> str | None:
    """A weak tag does not promise the same bytes, so no transfer may go on by it."""
    return None if etag is None or etag.startswith("W/") else etag


def _start(answer: requests.Response) -> int:
    unit, _, span = answer.headers.get("Content-Range", "").partition(" ")
    first = span.partition("-")[0]
    return int(first) if unit == "bytes" and first.isdigit() else -1


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
