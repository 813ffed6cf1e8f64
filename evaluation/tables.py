"""Measurements as tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from evaluation.compare import Difference
from evaluation.metrics import METRICS
from evaluation.report import Report


def of_run(content: Report) -> Table:
    """A row a kind: each metric's mean, and under it the half width of its 95 % interval."""
    total = content["catalogue"]["total"]
    within = f", within {content['within']}" if content["within"] else ""
    title = f"{content['model']}, {total:,} items{within}"
    table = Table(title=title, caption="mean ± half of the 95 % interval (bootstrap)")
    table.add_column("kind")
    table.add_column("queries", justify="right")
    for name in METRICS:
        table.add_column(name, justify="right")
    for kind, summary in content["kinds"].items():
        table.add_row(kind, *_cells(summary))
    table.add_section()
    table.add_row("all queries", *_cells(content["all"]))
    return table


def of_zero_shot(found: Mapping[str, Any]) -> Table:
    """Accuracy over all items, and by class."""
    accuracy = found["accuracy"]
    title = f"zero-shot accuracy {accuracy['mean']:.3f} ({accuracy['low']:.3f} to {accuracy['high']:.3f})"
    table = Table(title=title, caption=f"mean of the classes: {found['balanced']:.3f}")
    table.add_column("class")
    table.add_column("items", justify="right")
    table.add_column("right", justify="right")
    for name, counts in found["classes"].items():
        table.add_row(name, str(counts["items"]), str(counts["right"]))
    return table


def of_differences(rows: Sequence[Difference], metric: str) -> Table:
    """Two runs side by side; a change whose interval leaves out zero is marked."""
    table = Table(title=metric, caption="* the 95 % interval of the change (paired bootstrap) leaves out zero")
    for name in ("kind", "queries", "first", "second", "change", "interval", ""):
        table.add_column(name, justify="left" if name in ("kind", "") else "right")
    for row in rows:
        interval = f"{row.change.low:+.3f} to {row.change.high:+.3f}"
        mark = "*" if row.clear else ""
        table.add_row(row.kind, str(row.queries), f"{row.first:.3f}", f"{row.second:.3f}",
                      f"{row.change.mean:+.3f}", interval, mark)  # fmt: skip
    return table


def of_templates(reports: Mapping[str, Report], metric: str) -> Table:
    """A row a template, the best first: the metric's mean by kind, with the zero-shot accuracy where there is one."""
    kinds = list(next(iter(reports.values()))["kinds"])
    table = Table(title=f"prompt templates, {metric}")
    table.add_column("template")
    for kind in (*kinds, "all queries", "zero-shot"):
        table.add_column(kind, justify="right")
    for template, content in sorted(reports.items(), key=lambda pair: -_mean(pair[1]["all"], metric)):
        shot = content["zero_shot"]
        cells = [f"{_mean(content['kinds'][kind], metric):.3f}" for kind in kinds]
        table.add_row(
            template, *cells, f"{_mean(content['all'], metric):.3f}", f"{shot['accuracy']['mean']:.3f}" if shot else ""
        )
    return table


def _mean(summary: Mapping[str, Any], metric: str) -> float:
    return float(summary["metrics"][metric]["mean"])


def _cells(summary: Mapping[str, Any]) -> list[str]:
    cells = [str(summary["queries"])]
    for name in METRICS:
        value = summary["metrics"][name]
        cells.append(f"{value['mean']:.3f} ±{(value['high'] - value['low']) / 2:.3f}")
    return cells
