"""A search as the address bar carries it, so that it can be shared, bookmarked, and gone back to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

PAGE = 9
MOST = 99


@dataclass(frozen=True)
class SearchState:
    """What is searched for. An address cannot carry a photo: `photo` only names one that this visit brought."""

    words: str = ""
    like: str = ""
    photo: str = ""
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
            photo=params.get("photo", ""),
            item=params.get("item", ""),
            weight=_between(params.get("w", ""), 0.0, 1.0, 0.5),
            count=int(_between(params.get("n", ""), PAGE, MOST, PAGE)),
            filters=_filters(params.get("f", "")),
        )

    @classmethod
    def from_link(cls, link: str) -> SearchState:
        """Read a link as `link` writes it."""
        return cls.from_params(dict(parse_qsl(link.removeprefix("?"))))

    def params(self) -> dict[str, str]:
        """The address' parameters; defaults are left out."""
        given = {
            "q": self.words,
            "like": self.like,
            "photo": self.photo,
            "item": self.item,
            "w": f"{self.weight:g}" if self.weight != 0.5 else "",
            "n": str(self.count) if self.count != PAGE else "",
            "f": json.dumps(self.filters, ensure_ascii=False, separators=(",", ":")) if self.filters else "",
        }
        return {name: value for name, value in given.items() if value}

    def with_(self, **changes: Any) -> SearchState:
        """This search with changes."""
        return replace(self, **changes)

    def link(self, **changes: Any) -> str:
        """A relative link to this search with changes."""
        return "?" + urlencode(replace(self, **changes).params())

    @property
    def empty(self) -> bool:
        return not (self.words or self.like or self.photo)

    @property
    def mixed(self) -> bool:
        """Whether words and a picture are both asked for, so that their weights matter."""
        return bool(self.words and (self.like or self.photo))


def _between(text: str, low: float, high: float, default: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return default
    return min(high, max(low, value)) if value == value else default


def _filters(text: str) -> dict[str, list[Any]]:
    try:
        given = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(given, dict):
        return {}
    kept = {
        str(name): [value for value in values if isinstance(value, str | int | float | bool)]
        for name, values in given.items()
        if isinstance(values, list)
    }
    return {name: values for name, values in kept.items() if values}
