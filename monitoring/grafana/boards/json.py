"""Boards as Grafana's JSON, through Grafana's own builders."""

from __future__ import annotations

import json as json_text
from itertools import count

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

from monitoring.grafana.boards.panels import Board, Panel, Query

_WIDTH = 24  # columns of Grafana's grid
_FIGURE_HEIGHT, _LINES_HEIGHT = 4, 8
_SOURCE = models.DataSourceRef(type_val="prometheus", uid="prometheus")


def dashboard_json(board: Board) -> str:
    """The file that Grafana reads; the same board gives the same text."""
    builder = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(list(board.tags))
        .readonly()  # changed here, not in the browser
        .time("now-3h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .annotation(
            dashboard.AnnotationQuery()
            .name("Alerts")
            .datasource(_SOURCE)
            .enable(True)
            .icon_color("red")
            .expr('ALERTS{alertstate="firing"}')
        )
    )
    ids = count(1)
    for row in board.rows:
        builder = builder.with_row(dashboard.Row(row.title).id(next(ids)))
        figures = sum(panel.kind == "figure" for panel in row.panels)
        for panel in row.panels:
            width = _WIDTH // figures if panel.kind == "figure" else _WIDTH // 2
            builder = builder.with_panel(_panel(panel, width).id(next(ids)))
    return json_text.dumps(json_text.loads(JSONEncoder(sort_keys=True).encode(builder.build())), indent=1) + "\n"


def _panel(panel: Panel, width: int) -> stat.Panel | timeseries.Panel:
    return _figure(panel, width) if panel.kind == "figure" else _lines(panel, width)


def _figure(panel: Panel, width: int) -> stat.Panel:
    built = (
        stat.Panel()
        .title(panel.title)
        .description(panel.description)
        .unit(panel.unit)
        .datasource(_SOURCE)
        .thresholds(_thresholds(panel))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(common_models.BigValueColorMode.VALUE)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .height(_FIGURE_HEIGHT)
        .span(width)
    )
    if panel.queries[0].legend:  # the name is what one wants to see, not the 1 behind it
        built = built.text_mode(common_models.BigValueTextMode.NAME)
    for number, query in enumerate(panel.queries):
        built = built.with_target(_target(query, number))
    return built


def _lines(panel: Panel, width: int) -> timeseries.Panel:
    built = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.description)
        .unit(panel.unit)
        .datasource(_SOURCE)
        .min(0)
        .line_width(1)
        .fill_opacity(30 if panel.kind == "stacked" else 5)
        .show_points(common_models.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(common_models.LegendDisplayMode.LIST)
            .placement(common_models.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(common_models.TooltipDisplayMode.MULTI))
        .height(_LINES_HEIGHT)
        .span(width)
    )
    if panel.kind == "stacked":
        built = built.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL))
    for number, query in enumerate(panel.queries):
        built = built.with_target(_target(query, number))
    return built


def _target(query: Query, number: int) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expression).ref_id(chr(ord("A") + number)).datasource(_SOURCE)
    return target.legend_format(query.legend) if query.legend else target


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    """Green, then orange, then red; the other way round where small figures are the bad ones."""
    if panel.warn is None or panel.bad is None:
        steps = [models.Threshold(value=None, color="text")]
    elif panel.bad < panel.warn:
        steps = [
            models.Threshold(value=None, color="red"),
            models.Threshold(value=panel.bad, color="orange"),
            models.Threshold(value=panel.warn, color="green"),
        ]
    else:
        steps = [models.Threshold(value=None, color="green"), models.Threshold(value=panel.bad, color="red")]
        if panel.bad > panel.warn:
            steps.insert(1, models.Threshold(value=panel.warn, color="orange"))
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
