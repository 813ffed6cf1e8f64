"""A search as the address bar carries it, so that it can be shared, bookmarked, and gone back to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

PAGE = 9
MOST = 99


@dataclass(frozen=True)
class SearchState:
    """What is searched for; a photo is not part of it, since an address cannot carry one."""

    words: str = ""
    like: str = ""
    item: str = ""
    weight: float = 0.5
    count: int = PAGE
    filters: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def from_params(cls, params: Mapping[str, str]) -> SearchState:
        """Read an address; whatever cannot be read falls back to its default."""
        return cls(
            words=params.get("q", "").strip()[:2000],
            like=params.get("like", ""),
            item=params.get("item", ""),
            weight=_between(params.get("w", ""), 0.0, 1.0, 0.5),
            count=int(_between(params.get("n", ""), PAGE, MOST, PAGE)),
            filters=_filters(params.get("f", "")),
        )

    def params(self) -> dict[str, str]:
        """The address' parameters; defaults are left out."""
        given = {
            "q": self.words,
            "like": self.like,
            "item": self.item,
            "w": f"{self.weight:g}" if self.weight != 0.5 else "",
            "n": str(self.count) if self.count != PAGE else "",
            "f": json.dumps(self.filters, ensure_ascii=False, separators=(",", ":")) if self.filters else "",
        }
        return {name: value for name, value in given.items() if value}

    def link(self, **changes: Any) -> str:
        """A relative link to this search with changes."""
        return "?" + urlencode(replace(self, **changes).params())

    @property
    def empty(self) -> bool:
        return not (self.words or self.like)


def _between(text: str, low: float, high: float, default: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return default
    return min(high, max(low, value)) if value == value else default


def _filters(text: str) -> dict[str, list[Any]]:
    try:
        given = json.loads(text) if text else {}
    except ValueError:
        return {}
    if not isinstance(given, dict):
        return {}
    return {str(name): values for name, values in given.items() if isinstance(values, list) and values}
