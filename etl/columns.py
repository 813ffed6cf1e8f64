"""Which column of a table is what, and which field of an item it becomes."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from catalog.item import RESERVED, TEXT_FIELDS, Scalar, has_control
from etl.errors import EtlError
from etl.sources.table import Row

MAPPING = "etl.toml"
"""What the mapping is called that lies beside a table."""

_FILE_COLUMNS = ("file", "path", "image", "image_path", "filename", "photo", "url", "image_url")
_SAME = {"name": "title", "color": "colour", "type": "category", "sex": "gender"}
_OWN = (RESERVED - set(TEXT_FIELDS)) | {"source", "$meta"}


@dataclass(frozen=True)
class ColumnMap:
    """How columns become fields: `renamed` maps a column to a field, "" leaves the column out.

    Columns that are not named keep their name; `name`, `color`, `type` and `sex` become the fields they mean.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    file_column: str | None = None
    id_column: str | None = None

    @classmethod
    def parse(cls, text: str, name: str) -> ColumnMap:
        """A mapping file: TOML with `file`, `id` and a table `[columns]`; EtlError where it is none."""
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise EtlError(f"{name}: the column mapping cannot be read: {error}") from error
        if unknown := content.keys() - {"columns", "file", "id"}:
            raise EtlError(f"{name}: {sorted(unknown)[0]!r} means nothing here; known are file, id and [columns]")
        columns = content.get("columns", {})
        if not all(isinstance(value, str) for value in (columns | {"f": content.get("file", "")}).values()):
            raise EtlError(f'{name}: write column = "field"')
        return cls(columns, content.get("file"), content.get("id"))

    def changed(self, flags: Sequence[str], *, file_column: str = "", id_column: str = "") -> ColumnMap:
        """This mapping, with `column=field` flags and named columns on top."""
        renamed = dict(self.renamed)
        for flag in flags:
            column, sign, target = flag.partition("=")
            if not sign or not column:
                raise EtlError(f"--map {flag}: write column=field, or column= to leave the column out")
            renamed[column] = target
        return replace(
            self,
            renamed=renamed,
            file_column=file_column or self.file_column,
            id_column=id_column or self.id_column,
        )

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

    def targets(self, columns: Iterable[str], *, leave_out: Iterable[str]) -> dict[str, str]:
        """The field of each column that becomes one; EtlError for a field that cannot be."""
        targets: dict[str, str] = {}
        for column in columns:
            target = self.renamed.get(column, _SAME.get(column, column))
            if column in leave_out or not target:
                continue
            if target in _OWN:
                raise EtlError(
                    f"the column {column!r} would become the field {target!r}, which is the catalogue's own; "
                    f"rename it: --map {column}=other_name"
                )
            if has_control(target):
                raise EtlError(f"the column {column!r} has control characters in its name; rename it with --map")
            if target in targets.values():
                raise EtlError(f"two columns would become the field {target!r}; leave one out: --map {column}=")
            targets[column] = target
        return targets


def fields_of(row: Row, targets: Mapping[str, str]) -> dict[str, Scalar]:
    """An item's fields of a row: absent cells left out, text fields as text."""
    fields: dict[str, Scalar] = {}
    for column, target in targets.items():
        value = row.get(column)
        if value is not None:
            fields[target] = str(value) if target in TEXT_FIELDS else value
    return fields
