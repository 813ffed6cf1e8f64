"""A measurement as a JSON file: all that is needed to compare it with another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from evaluation.bootstrap import mean_interval
from evaluation.client import Service
from evaluation.errors import EvaluationError
from evaluation.metrics import METRICS
from evaluation.run import DEPTH, Outcome, Run
from evaluation.zero_shot import ZeroShot

Report = dict[str, Any]

FORM = 1
"""Version of the file's form."""


def report(run: Run, service: Service, queries: Path, *, template: str | None, classified: ZeroShot | None) -> Report:
    """The measurement: what was measured, means and intervals by kind, and each query's own measures."""
    return {
        "form": FORM,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": service.model,
        "catalogue": {name: service.catalogue()[name] for name in ("total", "as_of")},
        "within": service.within,
        "queries_file": queries.name,
        "queries_sha256": hashlib.sha256(queries.read_bytes()).hexdigest(),
        "template": template,
        "depth": DEPTH,
        "kinds": {kind: _summary(outcomes) for kind, outcomes in run.by_kind().items()},
        "all": _summary(run.outcomes),
        "zero_shot": classified
        and {
            "accuracy": classified.accuracy.as_dict(),
            "balanced": round(classified.balanced, 4),
            "classes": {name: {"items": items, "right": right} for name, (items, right) in classified.by_class.items()},
        },
        "left_out": [query.name for query in run.left_out],
        "queries": [_row(outcome) for outcome in run.outcomes],
    }


def _summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    values = {name: np.array([outcome.metrics[name] for outcome in outcomes]) for name in METRICS}
    return {"queries": len(outcomes), "metrics": {name: mean_interval(values[name]).as_dict() for name in METRICS}}


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.query.name,
        "kind": outcome.query.kind,
        "relevant": len(outcome.relevant),
        "metrics": {name: round(value, 6) for name, value in outcome.metrics.items()},
        "first": [found.id for found in outcome.ranking[:10]],
    }


def write_report(content: Report, file: Path) -> None:
    """Write a report, with its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def read_report(file: Path) -> Report:
    """A report that was written before; EvaluationError for anything else."""
    try:
        content = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise EvaluationError(f"{file} is no report of a measurement: {error}") from error
    if not isinstance(content, dict) or content.get("form") != FORM:
        raise EvaluationError(f"{file} is no report of a measurement")
    return content
