"""A catalogue's table: which column is what, and what its cells mean."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from catalog.item import RESERVED, TEXT_FIELDS, Scalar
from etl.errors import EtlError

_FILE_COLUMNS = ("file", "path", "image", "image_path", "filename", "photo", "url", "image_url")
_SAME = {"name": "title", "color": "colour", "type": "category", "sex": "gender"}
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,15})")
_DECIMAL = re.compile(r"-?(0|[1-9]\d*)\.\d+")

Row = dict[str, Scalar | None]


@dataclass(frozen=True)
class ColumnMap:
    """How columns become fields: `renamed` maps a column to a field, "" leaves the column out.

    Columns that are not named keep their name; `name`, `color`, `type` and `sex` become the fields they mean.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    file_column: str | None = None
    id_column: str | None = None

    @classmethod
    def read(cls, file: Path) -> ColumnMap:
        """The mapping beside a catalogue: an `etl.toml` with `file`, `id` and a table `[columns]`."""
        try:
            content = tomllib.loads(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise EtlError(f"{file}: the column mapping cannot be read: {error}") from error
        return cls(content.get("columns", {}), content.get("file"), content.get("id"))

    def with_flags(self, flags: Sequence[str]) -> ColumnMap:
        """This mapping, with `column=field` flags on top."""
        renamed = dict(self.renamed)
        for flag in flags:
            column, sign, target = flag.partition("=")
            if not sign or not column:
                raise EtlError(f"--map {flag}: write column=field, or column= to leave the column out")
            renamed[column] = target
        return ColumnMap(renamed, self.file_column, self.id_column)

    def photo_column(self, columns: Sequence[str]) -> str:
        """The column that names each row's photo."""
        for name in (self.file_column,) if self.file_column else _FILE_COLUMNS:
            if name in columns:
                return name
        wanted = self.file_column or " or ".join(_FILE_COLUMNS)
        raise EtlError(f"the table has no column {wanted}; name the photos' column with --file-column")

    def key_column(self, columns: Sequence[str]) -> str | None:
        """The column that holds each row's id; None: the photo's path is the id."""
        if self.id_column and self.id_column not in columns:
            raise EtlError(f"the table has no column {self.id_column} for the ids")
        return self.id_column or ("id" if "id" in columns else None)

    def fields(self, row: Row, *, leave_out: Iterable[str]) -> dict[str, Scalar]:
        """An item's fields of a row: absent cells left out, text fields as text."""
        fields: dict[str, Scalar] = {}
        for column, value in row.items():
            target = self.renamed.get(column, _SAME.get(column, column))
            if column in leave_out or not target or value is None:
                continue
            if (target in RESERVED and target not in TEXT_FIELDS) or target == "source":
                raise EtlError(
                    f"the column {column!r} would become the field {target!r}, which is the catalogue's own; "
                    f"rename it: --map {column}=other_name"
                )
            fields[target] = str(value) if target in TEXT_FIELDS else value
        return fields


def read_csv(file: Path) -> list[Row]:
    """A CSV file's rows; a column of numbers or of true and false becomes such, an empty cell None."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            return typed(list(csv.DictReader(stream)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise EtlError(f"{file}: the table cannot be read: {error}") from error


def typed(rows: Sequence[Mapping[str, str | None]]) -> list[Row]:
    """Give each column the type that all its cells have."""
    columns = {name for row in rows for name in row if name is not None}
    readers = {name: _reader([row.get(name) for row in rows]) for name in columns}
    return [
        {name: readers[name](cell) if cell else None for name, cell in row.items() if name is not None} for row in rows
    ]


def _reader(cells: Iterable[str | None]) -> type[int] | type[float] | type[str] | _Truth:
    present = [cell for cell in cells if cell]
    if all(cell.lower() in ("true", "false") for cell in present):
        return _Truth()
    if all(_NUMBER.fullmatch(cell) for cell in present):
        return int
    if all(_NUMBER.fullmatch(cell) or _DECIMAL.fullmatch(cell) for cell in present):
        return float
    return str


class _Truth:
    def __call__(self, cell: str) -> bool:
        return cell.lower() == "true"
