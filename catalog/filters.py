"""The one place where filter expressions are built.

Milvus takes conditions as text, so whatever a client sends could become part of that text. Here only names on a
list and JSON-escaped literals do. Neither server's own templating can be relied on (Milvus Lite 3.2 and Milvus 2.3
refuse `filter_params`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from catalog.errors import InvalidFilter, UnknownFilter
from catalog.item import TEXT_FIELDS

MAX_VALUES = 100
_MAX_INT = 2**63 - 1


def build_filter(filters: Mapping[str, Any], fields: Collection[str], *, leave_out: str | None = None) -> str:
    """A Milvus expression: AND over fields, OR over a list's values.

    Args:
        filters: a value, or a list of up to 100 values, for each field; text, number or boolean.
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
        # `==` joined by `or` instead of `in`: Milvus Lite has no `in` for fields of the catalogue's own, and
        # Milvus 2.3 fails on lists that mix whole and broken numbers.
        tests = [f"{_column(field)} == {_literal(field, value)}" for value in values]
        conditions.append(f"({' or '.join(tests)})")
    if leave_out is not None:
        conditions.append(f"id != {_text(leave_out)}")
    return " and ".join(conditions)


def _column(field: str) -> str:
    """A field of the schema by its name, one of the catalogue's own by its key: a key may read like a keyword."""
    return field if field in TEXT_FIELDS else f"$meta[{_text(field)}]"


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
    if any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000 for char in value):
        raise InvalidFilter("a filter's text holds control characters")
    return json.dumps(value, ensure_ascii=False)
