"""What a catalogue can be filtered by: each field's values and how often they occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from catalog.item import Item, Scalar

MAX_VALUES = 100
_NEVER = frozenset({"title"})  # free text: as many values as items


@dataclass(frozen=True)
class Facets:
    """Counts as of a moment; `fields` maps a name to (value, count) pairs, most frequent first."""

    fields: dict[str, list[tuple[Scalar, int]]] = field(default_factory=dict)
    total: int = 0
    as_of: str | None = None

    def answer(self) -> dict[str, Any]:
        """As the public contract shows them, and as they are kept."""
        return {
            "fields": {
                name: [{"value": value, "count": count} for value, count in pairs]
                for name, pairs in self.fields.items()
            },
            "total": self.total,
            "as_of": self.as_of,
        }

    @classmethod
    def from_answer(cls, answer: dict[str, Any]) -> Facets:
        fields = {name: [(pair["value"], pair["count"]) for pair in pairs] for name, pairs in answer["fields"].items()}
        return cls(fields, answer["total"], answer["as_of"])


def count_facets(items: Iterable[Item]) -> Facets:
    """Count the values of all items.

    A field with more than 100 values of which most occur once is free text, and no filter.
    """
    counts: dict[str, Counter[tuple[type, Scalar]]] = {}
    total = 0
    for item in items:
        total += 1
        for name, value in item.metadata().items():
            if name not in _NEVER:
                # The type is part of the key: True, 1 and 1.0 are one key to Python, and three values here.
                counts.setdefault(name, Counter())[(type(value), value)] += 1
    fields = {
        name: [(value, count) for (_, value), count in counter.most_common(MAX_VALUES)]
        for name, counter in sorted(counts.items())
        if len(counter) <= MAX_VALUES or len(counter) <= counter.total() / 2
    }
    return Facets(fields, total, datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"))
