"""Where photos come from: a source of records, each one photo with its fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from catalog.item import Scalar
from etl.errors import EtlError, RecordError
from etl.metadata import ColumnMap, Row, read_csv

PHOTO_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp"})
TABLE = "metadata.csv"
MAPPING = "etl.toml"


@dataclass(frozen=True)
class Record:
    """One photo of a source. `id` is stable between loads; `load` reads the photo, or raises RecordError."""

    id: str
    path: str
    fields: dict[str, Scalar]
    load: Callable[[], bytes]


class Dataset(Protocol):
    """A source: its name (the items' `source`), how many records it has, and the records."""

    name: str

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Record]: ...


class FolderDataset:
    """A folder: the photos that its `metadata.csv` lists, or all of them where there is no table."""

    def __init__(self, folder: Path, *, name: str | None = None, columns: ColumnMap | None = None) -> None:
        if not folder.is_dir():
            raise EtlError(f"{folder}: there is no such folder")
        self._root = folder.resolve()
        self.name = name or self._root.name
        table, mapping = folder / TABLE, folder / MAPPING
        self._columns = columns or (ColumnMap.read(mapping) if mapping.exists() else ColumnMap())
        self._rows = read_csv(table) if table.exists() else self._photos()
        names = list(self._rows[0]) if self._rows else ["file"]
        self._file_column = self._columns.photo_column(names)
        self._id_column = self._columns.key_column(names)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Record]:
        for row in self._rows:
            path = str(row.get(self._file_column) or "")
            given = row.get(self._id_column) if self._id_column else None
            fields = self._columns.fields(row, leave_out={self._file_column, self._id_column or ""})
            yield Record(str(given) if given is not None else id_of_path(path), path, fields, self._loader(path))

    def _photos(self) -> list[Row]:
        files = sorted(file for file in self._root.rglob("*") if file.suffix.lower() in PHOTO_ENDINGS)
        return [{"file": file.relative_to(self._root).as_posix()} for file in files]

    def _loader(self, path: str) -> Callable[[], bytes]:
        return lambda: read_inside(self._root, path)


def id_of_path(path: str) -> str:
    """A photo's id where the table gives none: its path within the source, without the ending."""
    return PurePosixPath(path).with_suffix("").as_posix() if path else ""


def read_inside(root: Path, path: str) -> bytes:
    """A file's content; RecordError for one that is missing, or lies outside `root`, also by a link."""
    if not path:
        raise RecordError("missing_path", "the row names no photo")
    file = (root / path).resolve()
    if not file.is_relative_to(root):
        raise RecordError("outside_source", f"{path} leads out of the source")
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise RecordError("missing_file", f"{path}: there is no such file") from None
    except OSError as error:
        raise RecordError("unreadable_file", f"{path}: {error.strerror}") from error
