"""Queries with known answers, read from a file: JSON lines, or CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evaluation.errors import EvaluationError

Rule = dict[str, Any]
"""A filter of the search API: the items that pass it are relevant."""


class Query(BaseModel):
    """One query: words, a photo, an item to find more like, or words with one of these; and what is relevant to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: str | None = None
    photo: Path | None = None
    """A photo to upload; in a file, relative to the file."""

    like: str | None = None
    """An item's id; the item itself is never relevant, since the service leaves it out."""

    text_weight: float = Field(0.5, ge=0, le=1)
    relevant: list[str] | Rule
    """Ids, or a rule over the metadata."""

    kind: str = "all"
    """Queries of a kind are averaged together."""

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if not (self.query and self.query.strip()) and self.photo is None and self.like is None:
            raise ValueError("give query (words), photo (a path) or like (an item's id)")
        if not self.relevant:
            raise ValueError("relevant names nothing: give ids, or a rule such as {'category': 'dress'}")
        return self

    @property
    def name(self) -> str:
        """What a person calls this query."""
        parts = [
            self.query,
            f"like {self.like}" if self.like else None,
            f"photo {self.photo.name}" if self.photo else None,
        ]
        return " + ".join(part for part in parts if part)


def read_queries(file: Path) -> list[Query]:
    """The queries of a `.jsonl` or `.csv` file; EvaluationError names the line that is wrong."""
    if not file.is_file():
        raise EvaluationError(f"{file}: there is no such file of queries")
    queries = []
    for number, values in _lines(file):
        try:
            query = Query.model_validate(values)
        except ValidationError as error:
            mistake = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in mistake["loc"])
            raise EvaluationError(f"{file}, line {number}: {where} {mistake['msg']}".replace(":  ", ": ")) from error
        queries.append(query if query.photo is None else query.model_copy(update={"photo": file.parent / query.photo}))
    if not queries:
        raise EvaluationError(f"{file} holds no queries")
    return queries


def _lines(file: Path) -> Iterator[tuple[int, Any]]:
    try:
        if file.suffix.lower() == ".csv":
            with file.open(encoding="utf-8-sig", newline="") as stream:
                for number, row in enumerate(csv.DictReader(stream), start=2):
                    yield number, _from_cells(row)
            return
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
            if line.strip():
                yield number, json.loads(line)
    except json.JSONDecodeError as error:
        raise EvaluationError(f"{file}, line {number}: this is no JSON: {error.msg}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise EvaluationError(f"{file} cannot be read: {error}") from error


def _from_cells(row: dict[str, str]) -> dict[str, Any]:
    """A CSV row's values: `relevant` is a rule in JSON, or ids separated by semicolons."""
    values: dict[str, Any] = {name: cell.strip() for name, cell in row.items() if cell and cell.strip()}
    relevant = values.get("relevant", "")
    is_json = relevant.startswith(("{", "["))
    return values | {
        "relevant": json.loads(relevant) if is_json else [id.strip() for id in relevant.split(";") if id.strip()]
    }
