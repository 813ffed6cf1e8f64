"""One measurement: each query is put to the service, its results are held against what is relevant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson

from evaluation.client import Found, Service
from evaluation.metrics import measure
from evaluation.queries import Query

DEPTH = 100
"""Ranks that are looked at: as many as one answer of the API holds."""


@dataclass(frozen=True)
class Outcome:
    """A query's ranking and its measures; `relevant` are the ids it should find."""

    query: Query
    relevant: frozenset[str]
    ranking: list[Found]
    metrics: dict[str, float]


@dataclass
class Run:
    """What was measured; `left_out` are the queries to which nothing in the catalogue is relevant."""

    outcomes: list[Outcome] = field(default_factory=list)
    left_out: list[Query] = field(default_factory=list)

    def by_kind(self) -> dict[str, list[Outcome]]:
        """The outcomes of each kind, in the order of the queries."""
        kinds: dict[str, list[Outcome]] = {}
        for outcome in self.outcomes:
            kinds.setdefault(outcome.query.kind, []).append(outcome)
        return kinds


class Relevance:
    """Which items are relevant: rules are read from the service once each."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known: dict[bytes, frozenset[str]] = {}

    def of(self, query: Query) -> frozenset[str]:
        """The relevant ids, without the item that the query itself shows."""
        if isinstance(query.relevant, list):
            ids = frozenset(query.relevant)
        else:
            key = orjson.dumps(query.relevant, option=orjson.OPT_SORT_KEYS)
            if key not in self._known:
                self._known[key] = frozenset(self._service.ids(query.relevant))
            ids = self._known[key]
        return ids - {query.like} if query.like else ids


def run_queries(
    service: Service, queries: Sequence[Query], *, template: str | None = None, step: Callable[[], None] = lambda: None
) -> Run:
    """Put all queries to the service; `step` is called after each. `template`: see `in_template`."""
    relevance, run = Relevance(service), Run()
    for query in queries:
        relevant = relevance.of(query)
        if not relevant:
            run.left_out.append(query)
        else:
            ranking = service.search(in_template(query, template), DEPTH)
            hits = np.array([found.id in relevant for found in ranking], np.bool_)
            run.outcomes.append(Outcome(query, relevant, ranking, measure(hits, len(relevant), DEPTH)))
        step()
    return run


def in_template(query: Query, template: str | None) -> Query:
    """The query with its words in a template.

    The service leaves words alone that say "photo", so a template that does takes the place of its own.
    """
    if template is None or query.query is None or "photo" in query.query.lower():
        return query
    return query.model_copy(update={"query": template.replace("{query}", query.query)})
