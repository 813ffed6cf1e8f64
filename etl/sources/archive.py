"""Zip and tar archives, read in place: nothing is ever unpacked to names that the archive chooses."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import stat
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import BinaryIO

from etl.errors import EtlError, RecordError
from etl.sources.tree import Photo, check_size, inside, is_photo

_MOST_TABLE = 10**9  # bytes of a table in a tar
_MOST_INFLATION = 50
_ALWAYS_ALLOWED = 10**9  # bytes
"""An archive that claims more than both, fifty times its own size and 1 GB, is a bomb: photos hardly shrink."""

_COMPRESSIONS: dict[bytes, Callable[[Path], BufferedIOBase]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}


def open_archive(file: Path, name: str, *, most: int, unpacked: Path) -> ZipTree | TarTree:
    """The archive's files, told by its content.

    Args:
        file: a zip or tar archive; a tar may be compressed with gzip, bzip2 or xz.
        name: what the source is called.
        most: bytes of the largest photo that is read.
        unpacked: where a compressed tar is kept as a plain one, which can be read in any order.

    Raises:
        EtlError: for a file that is no archive, is cut short, points outside itself, or claims an absurd size.
    """
    if not file.is_file():
        raise EtlError(f"{file}: there is no such file")
    try:
        if zipfile.is_zipfile(file):
            return ZipTree(file, name, most=most)
        with file.open("rb") as stream:
            start = stream.read(6)
        for magic, opened in _COMPRESSIONS.items():
            if start.startswith(magic):
                return TarTree(_inflated(file, opened, unpacked), name, most=most)
        return TarTree(file, name, most=most)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        raise EtlError(
            f"{file}: this is no zip or tar archive, or it is cut short ({error}); fetch it again"
        ) from error


class ZipTree:
    """The files of a zip archive."""

    def __init__(self, file: Path, name: str, *, most: int) -> None:
        self.name = name
        self._most = most
        self._zip = zipfile.ZipFile(file)
        entries = {_checked(file, entry.filename): entry for entry in self._zip.infolist() if not entry.is_dir()}
        _check_claim(file, sum(entry.file_size for entry in entries.values()))
        for path, entry in entries.items():
            if stat.S_ISLNK(entry.external_attr >> 16):
                with self._zip.open(entry) as target:
                    _check_link(file, path, target.read(4096).decode("utf-8", "replace"))
        root = _root(entries)
        self._entries = {path.removeprefix(root): entry for path, entry in entries.items() if path.startswith(root)}

    def paths(self) -> Iterator[str]:
        return filter(is_photo, sorted(self._entries))

    def exists(self, path: str) -> bool:
        return path in self._entries

    def open(self, path: str) -> BinaryIO:
        return BytesIO(self._content(path))

    def mark(self, path: str) -> str | None:
        entry = self._entries.get(path)
        return f"{entry.CRC:08x}-{entry.file_size}" if entry else None

    def read(self, path: str, known: str | None = None) -> Photo | None:
        path = inside(path)
        entry = self._entries.get(path)
        mark = self.mark(path)
        if mark is not None and mark == known:
            return None
        if entry is not None:
            check_size(path, entry.file_size, self._most)
        return Photo(self._content(path), mark)

    def close(self) -> None:
        self._zip.close()

    def _content(self, path: str) -> bytes:
        entry = self._entries.get(inside(path))
        if entry is None:
            raise RecordError("missing_file", f"{path}: there is no such file in the archive")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise RecordError("not_a_file", f"{path} is a link; links in zip archives are not followed")
        try:
            return self._zip.read(entry)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
            raise RecordError("corrupt_archive", f"{path} cannot be read from the archive: {error}") from error
        except (RuntimeError, NotImplementedError) as error:  # encrypted; a method that zlib does not know
            raise RecordError("unreadable_file", f"{path} cannot be read from the archive: {error}") from error


class TarTree:
    """The files of a tar archive that is not compressed."""

    def __init__(self, file: Path, name: str, *, most: int) -> None:
        self.name = name
        self._most = most
        self._lock = threading.Lock()
        self._tar = tarfile.open(file, "r:")  # noqa: SIM115  # closed by close()
        members = {_checked(file, member.name): member for member in self._tar.getmembers() if not member.isdir()}
        for path, member in members.items():
            if member.issym():
                _check_link(file, path, member.linkname)
            elif member.islnk():
                _checked(file, member.linkname)
        self._check_length(file, members)
        root = _root(members)
        self._members = {path.removeprefix(root): member for path, member in members.items() if path.startswith(root)}

    def paths(self) -> Iterator[str]:
        return filter(is_photo, sorted(self._members))

    def exists(self, path: str) -> bool:
        return path in self._members

    def open(self, path: str) -> BinaryIO:
        return BytesIO(self._content(path, _MOST_TABLE))

    def mark(self, path: str) -> str | None:
        member = self._members.get(path)
        return f"{member.size}-{member.mtime}" if member and member.isreg() else None

    def read(self, path: str, known: str | None = None) -> Photo | None:
        path = inside(path)
        mark = self.mark(path)
        if mark is not None and mark == known:
            return None
        return Photo(self._content(path, self._most), mark)

    def close(self) -> None:
        self._tar.close()

    def _content(self, path: str, most: int) -> bytes:
        member = self._members.get(inside(path))
        if member is None:
            raise RecordError("missing_file", f"{path}: there is no such file in the archive")
        check_size(path, member.size, most)
        try:
            with self._lock:
                stream = self._tar.extractfile(member)  # follows links within the archive
                content = stream.read(most + 1) if stream is not None else None
        except (KeyError, tarfile.TarError, OSError, RecursionError) as error:
            raise RecordError("corrupt_archive", f"{path} cannot be read from the archive: {error}") from error
        if content is None:
            raise RecordError("not_a_file", f"{path} is no regular file")
        check_size(path, len(content), most)
        return content

    def _check_length(self, file: Path, members: dict[str, tarfile.TarInfo]) -> None:
        length = file.stat().st_size
        for path, member in members.items():
            if member.isreg() and not member.issparse() and member.offset_data + member.size > length:
                self._tar.close()
                raise EtlError(f"{file}: {path} claims {member.size:,} bytes, which the archive does not have")


def _checked(file: Path, path: str) -> str:
    try:
        return inside(path)
    except RecordError:
        raise EtlError(f"{file}: refused, since its entry {path!r} points outside the archive") from None


def _check_link(file: Path, path: str, target: str) -> None:
    place = os.path.normpath(os.path.join(os.path.dirname(path), target))
    if place.startswith(("/", "..")):
        raise EtlError(f"{file}: refused, since its entry {path!r} is a link that points outside, to {target!r}")


def _check_claim(file: Path, claimed: int) -> None:
    if claimed > max(_ALWAYS_ALLOWED, _MOST_INFLATION * file.stat().st_size):
        raise EtlError(
            f"{file}: refused, since it claims to hold {claimed / 1e9:,.1f} GB in {file.stat().st_size / 1e6:,.1f} MB"
        )


def _root(paths: dict[str, zipfile.ZipInfo] | dict[str, tarfile.TarInfo]) -> str:
    """The folder that holds everything, where it holds the table too; else the archive itself."""
    tops = {path.partition("/")[0] for path in paths if not path.startswith("__MACOSX/")}
    top = tops.pop() + "/" if len(tops) == 1 else ""
    return top if any(path.startswith(top + "metadata.") for path in paths) else ""


def _inflated(file: Path, opened: Callable[[Path], BufferedIOBase], plain: Path) -> Path:
    """The plain tar of a compressed one; made once, and again when the archive changed."""
    status = file.stat()
    identity = json.dumps([str(file.resolve()), status.st_size, status.st_mtime_ns])
    note = plain.with_suffix(".json")
    if plain.exists() and note.exists() and note.read_text() == identity:
        return plain
    plain.parent.mkdir(parents=True, exist_ok=True)
    note.unlink(missing_ok=True)
    written = 0
    with opened(file) as source, plain.open("wb") as target:
        while part := source.read(1 << 20):
            written += len(part)
            if written > max(_ALWAYS_ALLOWED, _MOST_INFLATION * status.st_size):
                target.close()
                plain.unlink()
                raise EtlError(f"{file}: refused, since its {status.st_size / 1e6:,.1f} MB unpack without end")
            target.write(part)
    note.write_text(identity)
    return plain
