"""The one place where conditions are built.

Milvus takes conditions as text, so whatever a client sends could become part of that text. Here only names on a
list and JSON-escaped literals do. Neither server's own templating can be relied on (Milvus Lite 3.2 and Milvus 2.3
refuse `filter_params`), and the client's `ids=` puts them between quotes as they are.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from catalog.errors import InvalidFilter, UnknownFilter
from catalog.item import TEXT_FIELDS, has_control

MAX_VALUES = 100
_MAX_INT = 2**63 - 1


def build_filter(filters: Mapping[str, Any], fields: Collection[str], *, leave_out: str | None = None) -> str:
    """A Milvus expression: AND over fields, OR over a list's values.

    Args:
        filters: a value, or a list of up to 100 values, for each field; text, number or boolean. Milvus Lite takes
            true for 1 and false for 0; Milvus itself tells them apart.
        fields: the fields that can be filtered by.
        leave_out: an id that must not be found.

    Raises:
        UnknownFilter: for a field that is not in `fields`.
        InvalidFilter: for a value that cannot be compared.
    """
    conditions = []
    for field, wanted in filters.items():
        if field not in fields:
            raise UnknownFilter(field, sorted(fields))
        values = wanted if isinstance(wanted, list) else [wanted]
        if not 1 <= len(values) <= MAX_VALUES:
            raise InvalidFilter(f"the filter {field!r} has {len(values)} values; 1 to {MAX_VALUES} are allowed")
        literals = [_literal(field, value) for value in values]
        if field in TEXT_FIELDS:
            conditions.append(f"{field} in [{', '.join(literals)}]")
        else:
            # `==` joined by `or` instead of `in`: Milvus Lite has no `in` for fields of the catalogue's own, and
            # Milvus 2.3 fails on lists that mix texts with numbers, or whole with broken ones.
            # A key in brackets, since it may read like a keyword.
            column = f"$meta[{_text(field)}]"
            conditions.append(_join("or", [f"{column} == {literal}" for literal in literals]))
    if leave_out is not None:
        conditions.append(f"id != {_text(leave_out)}")
    return _join("and", conditions) if conditions else ""


def one_of(field: str, values: Sequence[str]) -> str:
    """The condition that a text field of the schema is one of `values`, of which there is at least one."""
    return f"{field} in [{', '.join(map(_text, values))}]"


def after(field: str, value: str) -> str:
    """The condition that a text field of the schema comes after `value`."""
    return f"{field} > {_text(value)}"


def both(*conditions: str) -> str:
    """All of these conditions; empty ones are none."""
    real = [condition for condition in conditions if condition]
    return _join("and", real) if real else ""


def _join(operator: str, conditions: Sequence[str]) -> str:
    """Join by halves: Milvus' core reads a chain of some fifty as too deeply nested."""
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    return f"({_join(operator, conditions[:middle])} {operator} {_join(operator, conditions[middle:])})"


def _literal(field: str, value: Any) -> str:
    if isinstance(value, str):
        if not value:
            raise InvalidFilter(f"the filter {field!r} has an empty text among its values")
        return _text(value)
    if field in TEXT_FIELDS:
        raise InvalidFilter(f"the filter {field!r} compares texts; put the value in quotes")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) <= _MAX_INT:
        return str(value)
    if isinstance(value, float) and abs(value) < float("inf"):
        return repr(value)
    raise InvalidFilter(f"the filter {field!r} takes texts, numbers and booleans, or a list of them")


def _text(value: str) -> str:
    # JSON's escapes for quotes and backslashes are Milvus' own; its \\uXXXX is not, so what needs it is refused.
    if has_control(value):
        raise InvalidFilter("a filter's text holds control characters")
    return json.dumps(value, ensure_ascii=False)
