"""Zero-shot classification: does an item's own class, of all classes' words, lie nearest to its photo?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.bootstrap import Interval, mean_interval
from evaluation.client import Service
from evaluation.errors import EvaluationError
from evaluation.queries import Query, Rule
from evaluation.run import in_template


@dataclass(frozen=True)
class ZeroShot:
    """`accuracy` over all items; `by_class`: each class' words, with its items and how many were put right."""

    accuracy: Interval
    by_class: dict[str, tuple[int, int]]

    @property
    def balanced(self) -> float:
        """Mean of the classes' accuracies."""
        return float(np.mean([right / items for items, right in self.by_class.values()]))


def zero_shot(service: Service, classes: Sequence[Query], *, template: str | None = None) -> ZeroShot | None:
    """Classify the items of these queries' rules by their cosine to each query's words; None for fewer than two.

    Raises EvaluationError where the classes are no words with a rule each, or an item is in two of them.
    """
    rules: list[Rule] = []
    for query in classes:
        if not isinstance(query.relevant, dict) or query.query is None or query.like or query.photo:
            raise EvaluationError(f"zero-shot needs words and a rule for each class; {query.name!r} is otherwise")
        rules.append(query.relevant)
    scores: dict[int, dict[str, list[float]]] = {}
    seen: dict[str, int] = {}
    for own, rule in enumerate(rules):
        of_class: dict[str, list[float]] = {}
        for guess in classes:
            words = in_template(guess, template).query or ""
            for found in service.scores(words, rule):
                of_class.setdefault(found.id, []).append(found.score)
        if of_class:
            scores[own] = of_class
        for id in of_class:
            if seen.setdefault(id, own) != own:
                raise EvaluationError(f"{id} is in two classes: {classes[seen[id]].name!r} and {classes[own].name!r}")
    if len(scores) < 2:
        return None
    by_class: dict[str, tuple[int, int]] = {}
    right: list[float] = []
    for own, of_class in scores.items():
        # An item that one of the answers left out would have its scores at the wrong classes.
        if any(len(values) != len(classes) for values in of_class.values()):
            raise EvaluationError("the catalogue changed during the measurement; measure again")
        hits = [float(np.argmax(values) == own) for values in of_class.values()]
        by_class[str(classes[own].query)] = (len(hits), int(sum(hits)))
        right += hits
    return ZeroShot(mean_interval(np.array(right)), by_class)
