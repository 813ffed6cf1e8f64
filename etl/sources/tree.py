"""What all sources have in common: files by their paths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol

from etl.errors import RecordError

PHOTO_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"})


@dataclass(frozen=True)
class Photo:
    """A photo's bytes, and its source's mark of them."""

    content: bytes
    mark: str | None


class Tree(Protocol):
    """Files by their paths within a source, written with "/". Thread-safe, but for `paths`.

    A mark is a short text that changes when the file does, and is had without reading it; None where there is none.
    """

    name: str

    def paths(self) -> Iterator[str]:
        """The paths of all photos, in an order that stays."""

    def exists(self, path: str) -> bool:
        """Whether there is such a file."""

    def open(self, path: str) -> BinaryIO:
        """A file that can be read from its beginning, and sought in."""

    def mark(self, path: str) -> str | None:
        """The file's mark, where it can be had without asking anybody."""

    def read(self, path: str, known: str | None = None) -> Photo | None:
        """The photo; None where its mark is still `known`. Raises RecordError where it cannot be had."""

    def close(self) -> None:
        """Let go of files and connections."""


def inside(path: str) -> str:
    """A path in its plain form; RecordError for one that leads out of its source."""
    plain = path.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    if plain.startswith("/") or ".." in parts or (parts and parts[0].endswith(":")):
        raise RecordError("outside_source", f"{path} leads out of the source")
    if not parts:
        raise RecordError("missing_path", "the row names no photo")
    return "/".join(parts)


def is_photo(path: str) -> bool:
    """Whether a file that no table lists is taken for a photo; hidden files are not."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))
    return not hidden and PurePosixPath(path).suffix.lower() in PHOTO_ENDINGS


def check_size(path: str, size: int, most: int) -> None:
    """RecordError for a photo of more bytes than the service takes."""
    if size > most:
        raise RecordError("file_too_large", f"{path} has {size:,} bytes; at most {most:,} are read")
