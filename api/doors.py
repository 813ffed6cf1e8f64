"""The public routes as a fixed list: what each is called in metrics, and what a caller needs to pass.

BentoML's own router serves two of them, the Swagger page and its assets; all others are the application's.
Whatever is not on this list is a 404, so that unknown paths cost nothing and name nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from api.keys import Scope

_ASSETS = "/static_content/"


@dataclass(frozen=True)
class Door:
    """One public route."""

    handler: str
    """The route's name in metrics and logs."""

    scope: Scope | None
    """What a key must hold; None: open to all."""

    limited: bool = True
    """Whether it counts towards the limits; health and metrics must answer when everything else is refused."""

    page: bool = False
    """Whether BentoML's router serves it."""


_UNKNOWN = Door("unknown", None, limited=False)


class Doors:
    """Finds the door of a path."""

    def __init__(self, *, open_docs: bool, open_metrics: bool) -> None:
        docs = None if open_docs else Scope.ADMIN
        self._fixed = {
            "/encode_text": Door("/encode_text", Scope.ENCODE),
            "/encode_image": Door("/encode_image", Scope.ENCODE),
            "/search-image": Door("/search-image", Scope.SEARCH),
            "/facets": Door("/facets", Scope.SEARCH),
            "/livez": Door("/livez", None, limited=False),
            "/readyz": Door("/readyz", None, limited=False),
            "/metrics": Door("/metrics", None if open_metrics else Scope.ADMIN, limited=False),
            "/docs.json": Door("/docs.json", docs, limited=False),
            "/": Door("/", docs, limited=False, page=True),
        }
        self._item = Door("/items/{id}", Scope.SEARCH)
        self._asset = Door("/static_content", docs, limited=False, page=True)

    def find(self, path: str) -> Door:
        """The door that `path` leads to."""
        if (door := self._fixed.get(path)) is not None:
            return door
        if path.startswith("/items/"):
            return self._item
        if path.startswith(_ASSETS):
            return self._asset
        return _UNKNOWN
