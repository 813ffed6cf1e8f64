"""A source as a sequence of records: one photo with its fields each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol

from catalog.item import TEXT_FIELDS, Scalar
from etl.columns import ColumnMap, fields_of
from etl.errors import RecordError
from etl.sources.table import CsvTable, Row, Table
from etl.sources.tree import Photo, Tree, inside
from etl.sources.web import WebSession, is_url, path_of_url


def _no_photo(_: str | None) -> Photo | None:
    raise RecordError("missing_path", "the row names no photo")


@dataclass(frozen=True)
class Record:
    """One photo of a source.

    `id` is stable between loads. `mark` changes when the photo does, where the source knows that without reading
    it. `read` gives the photo, or None where its mark is still the one it is given; it raises RecordError.
    `object` is the photo's name in the bucket, where it lies there already.
    """

    id: str
    path: str
    source: str
    fields: dict[str, Scalar] = field(default_factory=dict)
    mark: str | None = None
    read: Callable[[str | None], Photo | None] = _no_photo
    object: str | None = None
    problem: RecordError | None = None
    """Why the row cannot become an item, whatever its photo is."""


class Records(Protocol):
    """What can be loaded: a number of records under a name, iterated as often as needed."""

    name: str

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Record]: ...


class Dataset:
    """The records of one source: the rows of its table, or all photos where it has none."""

    def __init__(
        self, name: str, tree: Tree, table: Table | None, columns: ColumnMap, web: WebSession, *, most: int, prefix: str
    ) -> None:
        """Args:
        name: becomes the items' field `source`.
        tree: where paths lead to.
        table: the rows; their photos may also be named by addresses of the web.
        columns: what the table's columns become.
        web: fetches those addresses.
        most: bytes of the largest photo.
        prefix: put before every id.
        """
        self.name = name
        self._tree = tree
        self._table = table
        self._web = web
        self._most = most
        self._prefix = prefix
        names = table.columns if table else ["file"]
        self._file_column = columns.photo_column(names)
        self._id_column = columns.key_column(names)
        self._targets = columns.targets(names, leave_out={self._file_column, self._id_column or ""})
        if isinstance(table, CsvTable):
            texts = {column for column, target in self._targets.items() if target in TEXT_FIELDS}
            table.keep_text({self._file_column, self._id_column or "", *texts})

    def __len__(self) -> int:
        return self._table.count if self._table else sum(1 for _ in self._tree.paths())

    def __iter__(self) -> Iterator[Record]:
        rows: Iterator[Row | RecordError] = (
            self._table.rows() if self._table else ({"file": path} for path in self._tree.paths())
        )
        for row in rows:
            yield Record("", "", self.name, problem=row) if isinstance(row, RecordError) else self._record(row)

    def close(self) -> None:
        self._tree.close()
        self._web.close()

    def _record(self, row: Row) -> Record:
        path = str(row.get(self._file_column) or "")
        given = row.get(self._id_column) if self._id_column else None
        fields = fields_of(row, self._targets)
        try:
            if is_url(path):
                key, mark, read = path_of_url(path), None, self._from_web(path)
            else:
                key = inside(path)
                mark, read = self._tree.mark(key), self._from_tree(key)
        except (RecordError, ValueError) as error:
            problem = error if isinstance(error, RecordError) else RecordError("invalid_url", f"{path}: {error}")
            return Record(self._prefix + str(given) if given else "", path, self.name, fields, problem=problem)
        id = str(given) if given is not None else without_ending(key)
        return Record(self._prefix + id if id else "", path, self.name, fields, mark, read)

    def _from_tree(self, path: str) -> Callable[[str | None], Photo | None]:
        return lambda known: self._tree.read(path, known)

    def _from_web(self, url: str) -> Callable[[str | None], Photo | None]:
        return lambda known: self._web.photo(url, known, self._most)


def without_ending(path: str) -> str:
    """A photo's id where the table gives none: its path within the source, without the ending."""
    return path if "?" in path or not path else PurePosixPath(path).with_suffix("").as_posix()
