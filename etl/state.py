"""The folder where loads keep what they must not forget."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from etl.errors import EtlError

_REBUILD = "%rebuild"  # no source's name is escaped to this


class State:
    """Names the files in the state folder; each source has its own, under its escaped name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def checkpoint(self, source: str) -> Path:
        return self._of(source, ".checkpoint")

    def dead_letters(self, source: str) -> Path:
        return self._of(source, ".failed.jsonl")

    def not_downloaded(self, source: str) -> Path:
        """The dead letters of `download`, which a load's are not to be mixed with."""
        return self._of(source, "%download.failed.jsonl")  # no name is escaped to one that ends so

    def unpacked(self, source: str) -> Path:
        return self.folder / "unpacked" / f"{_escaped(source)}.tar"

    def downloads(self, source: str) -> Path:
        return self.folder / "downloads" / _escaped(source)

    @property
    def rebuild_checkpoint(self) -> Path:
        return self.folder / f"{_REBUILD}.checkpoint"

    @property
    def rebuild_dead_letters(self) -> Path:
        return self.folder / f"{_REBUILD}.failed.jsonl"

    @property
    def leftovers(self) -> Path:
        return self.folder / "leftovers.jsonl"

    def sources(self) -> list[str]:
        """The names of all sources that were loaded from here."""
        names = (file.name.removesuffix(".checkpoint") for file in self.folder.glob("*.checkpoint"))
        return sorted(unquote(name) for name in names if name != _REBUILD)

    def forget(self, source: str) -> None:
        """Remove all that is known and kept of a source."""
        files = [self.dead_letters(source), self.not_downloaded(source), self.unpacked(source)]
        files += [self.checkpoint(source).with_name(self.checkpoint(source).name + end) for end in ("-wal", "-shm", "")]
        files += [self.unpacked(source).with_suffix(".json")]
        for file in files:
            file.unlink(missing_ok=True)
        shutil.rmtree(self.downloads(source), ignore_errors=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one command that writes; EtlError while another one does."""
        with (self.folder / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise EtlError(
                    f"another load is at work here (process {file.read().strip() or 'unknown'}); wait for its end, "
                    "or give this one a folder of its own: --state-dir"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _of(self, source: str, ending: str) -> Path:
        return self.folder / (_escaped(source) + ending)


def _escaped(source: str) -> str:
    return quote(source, safe=" ")
