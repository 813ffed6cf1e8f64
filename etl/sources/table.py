"""Tables that list photos: CSV, JSON lines, Parquet. Read row by row, however long they are."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Protocol

from catalog.item import Scalar
from etl.errors import EtlError, RecordError

NAMES = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "metadata.parquet")
"""What a table is called that lies among the photos."""

Row = dict[str, Scalar | None]

_DELIMITERS = ",;\t|"
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,15})")
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)\.\d+")
_MOST_CELL = 2**20  # characters; longer ones are refused by the catalogue anyway


class Table(Protocol):
    """A table's columns, the number of its rows, and the rows; a row that cannot be read comes as its error."""

    columns: list[str]
    count: int

    def rows(self) -> Iterator[Row | RecordError]:
        """Each row from the first one; every call begins again."""


def is_table(path: str) -> bool:
    """Whether a file is a table, by its ending."""
    return PurePosixPath(path).suffix.lower() in _KINDS


def open_table(path: str, opened: Callable[[], BinaryIO]) -> Table:
    """A table, gone through once for its columns, their types and its length.

    Raises EtlError for one that cannot be read, or that would need the package pyarrow and does not find it.
    """
    try:
        return _KINDS[PurePosixPath(path).suffix.lower()](opened)
    except UnicodeDecodeError as error:
        raise EtlError(f"{path}: the table is not in UTF-8 ({error.reason}); save it as UTF-8") from error
    except (OSError, csv.Error, ValueError) as error:
        raise EtlError(f"{path}: the table cannot be read: {error}") from error


class CsvTable:
    """Comma, semicolon, tab or bar separated text in UTF-8, its first line the columns' names.

    A column all of whose cells are numbers, or true and false, becomes such; an empty cell is an absent value.
    """

    def __init__(self, opened: Callable[[], BinaryIO]) -> None:
        self._opened = opened
        with self._text() as stream:
            header = stream.readline()
        self._delimiter = max(_DELIMITERS, key=header.count)
        with self._text() as stream:
            self.columns = [name.strip() for name in next(csv.reader(stream, delimiter=self._delimiter), [])]
        self.count = 0
        types = [_ColumnType() for _ in self.columns]
        for cells in self._cells():
            self.count += 1
            for type_, cell in zip(types, cells, strict=False):
                type_.see(cell)
        self._types = types

    def keep_text(self, columns: Collection[str]) -> None:
        """Take these columns as they are written: 1.50 is no number where it is an id."""
        for name, type_ in zip(self.columns, self._types, strict=True):
            if name in columns:
                type_.keep_text()

    def rows(self) -> Iterator[Row | RecordError]:
        for number, cells in enumerate(self._cells(), 1):
            if len(cells) > len(self.columns):
                yield RecordError("bad_row", f"row {number} has {len(cells)} cells for {len(self.columns)} columns")
            else:
                cells += [""] * (len(self.columns) - len(cells))
                yield {
                    name: type_.value(cell)
                    for name, type_, cell in zip(self.columns, self._types, cells, strict=True)
                    if name
                }

    def _cells(self) -> Iterator[list[str]]:
        csv.field_size_limit(_MOST_CELL)
        with self._text() as stream:
            reader = csv.reader(stream, delimiter=self._delimiter)
            next(reader, None)
            yield from (cells for cells in reader if cells)

    def _text(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._opened(), encoding="utf-8-sig", newline="")


class _ColumnType:
    """What all cells of a column have in common."""

    def __init__(self) -> None:
        self._truth = self._whole = self._number = True

    def keep_text(self) -> None:
        self._truth = self._whole = self._number = False

    def see(self, cell: str) -> None:
        if cell:
            self._truth = self._truth and cell.lower() in ("true", "false")
            self._whole = self._whole and _NUMBER.fullmatch(cell) is not None
            self._number = self._number and (self._whole or bool(_NUMBER.fullmatch(cell) or _DECIMAL.fullmatch(cell)))

    def value(self, cell: str) -> Scalar | None:
        if not cell:
            return None
        if self._truth:
            return cell.lower() == "true"
        if self._whole:
            return int(cell)
        return float(cell) if self._number else cell


class JsonTable:
    """One JSON object a line; what is inside it that is neither text, number nor boolean becomes JSON text."""

    def __init__(self, opened: Callable[[], BinaryIO]) -> None:
        self._opened = opened
        self.count = 0
        names: dict[str, None] = {}
        for row in self.rows():
            self.count += 1
            if isinstance(row, dict):
                names |= dict.fromkeys(row)
        self.columns = list(names)

    def rows(self) -> Iterator[Row | RecordError]:
        with io.TextIOWrapper(self._opened(), encoding="utf-8-sig") as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    yield RecordError("bad_row", f"line {number} is no JSON")
                    continue
                if isinstance(row, dict):
                    yield {name: _scalar(value) for name, value in row.items()}
                else:
                    yield RecordError("bad_row", f"line {number} is no JSON object")


class ParquetTable:
    """A Parquet file, read by the package pyarrow where it is installed."""

    def __init__(self, opened: Callable[[], BinaryIO]) -> None:
        try:
            import pyarrow.parquet as parquet
        except ImportError:
            raise EtlError("Parquet tables need the package pyarrow: pip install pyarrow") from None
        self._file = parquet.ParquetFile(opened())
        self.columns = list(self._file.schema_arrow.names)
        self.count = int(self._file.metadata.num_rows)

    def rows(self) -> Iterator[Row | RecordError]:
        for batch in self._file.iter_batches(1000):
            for row in batch.to_pylist():
                yield {name: _scalar(value) for name, value in row.items()}


def _scalar(value: Any) -> Scalar | None:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)  # dates, decimals


_KINDS: dict[str, Callable[[Callable[[], BinaryIO]], Table]] = {
    ".csv": CsvTable,
    ".tsv": CsvTable,
    ".jsonl": JsonTable,
    ".ndjson": JsonTable,
    ".parquet": ParquetTable,
}
