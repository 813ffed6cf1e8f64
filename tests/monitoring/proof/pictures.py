"""A dashboard's data as a picture: each panel drawn from what Prometheus answers to the panel's own expressions."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from PIL import Image

from monitoring.grafana.boards.panels import Board, Panel, Query
from tests.monitoring.programs import Prometheus

mpl.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter

_COLUMNS = 4
_MOST_SERIES = 8


def draw(board: Board, prometheus: Prometheus, *, since: float, rate: str, folder: Path) -> Path:
    """Draw all panels of a board over the time since `since` (seconds of the epoch) into `folder`."""
    panels = board.panels
    rows = -(-len(panels) // _COLUMNS)
    figure, axes = plt.subplots(rows, _COLUMNS, figsize=(4.2 * _COLUMNS, 2.4 * rows), squeeze=False)
    now = time.time()
    for number, axis in enumerate(axes.flat):
        if number < len(panels):
            _panel(axis, panels[number], prometheus, since, now, rate)
        else:
            axis.axis("off")
    figure.suptitle(board.title, x=0.01, ha="left", fontsize=13)
    figure.tight_layout(rect=(0, 0, 1, 0.98))
    raw = BytesIO()
    figure.savefig(raw, dpi=72)
    plt.close(figure)
    target = folder / f"dashboard-{board.uid.removeprefix('fashion-')}.webp"
    Image.open(raw).convert("RGB").save(target, quality=72, method=6)
    return target


def _panel(axis: Axes, panel: Panel, prometheus: Prometheus, since: float, now: float, rate: str) -> None:
    axis.set_title(panel.title, fontsize=9, loc="left")
    axis.tick_params(labelsize=7)
    drawn = 0
    if panel.kind == "figure":
        values = prometheus.query(panel.queries[0].expression.replace("$__rate_interval", rate))
        text = "\n".join(_figure(panel, each) for each in values[:2]) or "no data"
        axis.axis("off")
        axis.text(0.5, 0.5, text, ha="center", va="center", fontsize=18 if len(text) < 12 else 9)
        return
    step = max(1.0, (now - since) / 240)
    stack: list[tuple[str, list[Any], list[float]]] = []
    for query in panel.queries:
        expression = query.expression.replace("$__rate_interval", rate)
        for series in prometheus.query_range(expression, since, now, step)[:_MOST_SERIES]:
            # NaN: a quantile of what never happened.
            points = [(float(at), float(value)) for at, value in series["values"] if value != "NaN"]
            if points:
                times = [datetime.fromtimestamp(at, UTC) for at, _ in points]
                stack.append((_name(query, series["metric"]), times, [value for _, value in points]))
    for name, times, heights in stack:
        # Moments may stand where matplotlib's types know numbers alone.
        axis.plot(times, heights, label=name, linewidth=1)  # type: ignore[arg-type]  # it takes moments too
        drawn += 1
    if not drawn:
        axis.text(0.5, 0.5, "no data", ha="center", va="center", fontsize=8, color="grey",
                  transform=axis.transAxes)  # fmt: skip
        axis.set_xticks([])
        return
    axis.set_ylim(bottom=min(0.0, axis.get_ylim()[0]))
    # Moments again.
    axis.set_xlim(datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(now, UTC))  # type: ignore[arg-type]  # it takes moments too
    axis.set_ylabel(panel.unit, fontsize=7)
    axis.grid(alpha=0.3)
    # matplotlib.dates is untyped.
    locator = AutoDateLocator(maxticks=5)  # type: ignore[no-untyped-call]  # it comes without types
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]  # it comes without types
    axis.legend(fontsize=6, loc="upper left", framealpha=0.6)


def _figure(panel: Panel, series: dict[str, Any]) -> str:
    if legend := panel.queries[0].legend:
        return _filled(legend, series["metric"]).replace(" · ", "\n")
    value = float(series["value"][1])
    if panel.unit == "percentunit":
        return f"{value:.1%}"
    if panel.unit == "bytes":
        return f"{value / 1e6:.1f} MB"
    return f"{value:.4g} {panel.unit}".removesuffix(" none").removesuffix(" short")


def _name(query: Query, labels: dict[str, str]) -> str:
    return _filled(query.legend, labels) if query.legend else ", ".join(labels.values())


def _filled(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match.group(1), ""), legend)
