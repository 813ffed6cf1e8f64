"""What a dashboard consists of, without Grafana's own vocabulary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["lines", "stacked", "figure"]

# The windows of the recording rules are five minutes; panels that compute themselves follow Grafana's zoom.
RATE = "$__rate_interval"
ROUTES = 'handler=~"/search-image|/encode_text|/encode_image|/items/.*|/facets"'


@dataclass(frozen=True)
class Query:
    """A PromQL expression, and the name of its series (`{{label}}` is filled in)."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One figure or diagram.

    `unit` is one of Grafana's: s, reqps, percentunit, bytes, Bps, short, none ... `warn` and `bad` colour a figure
    from these values on (downwards where `bad` is below `warn`).
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Kind = "lines"
    warn: float | None = None
    bad: float | None = None


@dataclass(frozen=True)
class Row:
    """Panels under one heading; figures share one line, diagrams stand two in a line."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Board:
    """One dashboard; `uid` is its address, so it never changes."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    tags: tuple[str, ...] = field(default=("fashion-search",))

    @property
    def panels(self) -> list[Panel]:
        return [panel for row in self.rows for panel in row.panels]


def lines(title: str, description: str, unit: str, *queries: tuple[str, str], stacked: bool = False) -> Panel:
    """A diagram over time; each query is an expression and its legend."""
    return Panel(
        title, description, unit, tuple(Query(*query) for query in queries), kind="stacked" if stacked else "lines"
    )


def figure(
    title: str,
    description: str,
    unit: str,
    expression: str,
    *,
    legend: str = "",
    warn: float | None = None,
    bad: float | None = None,
) -> Panel:
    """One number, as it is now."""
    return Panel(title, description, unit, (Query(expression, legend),), kind="figure", warn=warn, bad=bad)
