"""A folder of this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from etl.errors import EtlError, RecordError
from etl.sources.tree import Photo, check_size, inside, is_photo


class FolderTree:
    """The files below a folder. What lies outside, also behind a link, is refused."""

    def __init__(self, folder: Path, *, most: int) -> None:
        if not folder.is_dir():
            raise EtlError(f"{folder}: there is no such folder")
        self._root = folder.resolve()
        self._most = most
        self.name = self._root.name

    def paths(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self._root):
            folders.sort()
            place = Path(folder).relative_to(self._root)
            for path in sorted((place / file).as_posix() for file in files):
                if is_photo(path):
                    yield path

    def exists(self, path: str) -> bool:
        return (self._root / path).is_file()

    def open(self, path: str) -> BinaryIO:
        return self._file(path).open("rb")

    def mark(self, path: str) -> str | None:
        try:
            status = (self._root / path).stat()
        except (OSError, ValueError):
            return None
        return f"{status.st_size}-{status.st_mtime_ns}"

    def read(self, path: str, known: str | None = None) -> Photo | None:
        file = self._file(path)
        mark = self.mark(path)
        if mark is not None and mark == known:
            return None
        try:
            status = file.stat()
            if not stat.S_ISREG(status.st_mode):
                raise RecordError("not_a_file", f"{path} is no regular file")
            check_size(path, status.st_size, self._most)
            return Photo(file.read_bytes(), mark)
        except FileNotFoundError:
            raise RecordError("missing_file", f"{path}: there is no such file") from None
        except OSError as error:
            raise RecordError("unreadable_file", f"{path}: {error.strerror}") from error

    def close(self) -> None:
        pass

    def _file(self, path: str) -> Path:
        try:
            file = (self._root / inside(path)).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a name too long, a NUL, a loop of links
            raise RecordError("unreadable_file", f"{path}: {error}") from error
        if not file.is_relative_to(self._root):
            raise RecordError("outside_source", f"{path} is a link that leads out of the source")
        return file
