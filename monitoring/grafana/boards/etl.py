"""How is a load going?"""

from __future__ import annotations

from monitoring.grafana.boards.panels import RATE, Board, Row, figure, lines

_ALL = 'etl_items_total{job="etl", outcome!="removed"}'

BOARD = Board(
    uid="fashion-etl",
    title="Fashion search: loads",
    description="How is a load going, and what holds it up?",
    rows=(
        Row(
            "The load",
            (
                figure(
                    "Loads at work",
                    "Loads that run now. Afterwards these panels show the last load's end.",
                    "none",
                    'sum(last_over_time(etl_running{job="etl"}[1h]))',
                ),
                figure(
                    "Done",
                    "Share of the source's items that came to an outcome.",
                    "percentunit",
                    f'sum(last_over_time({_ALL}[1h])) / (sum(last_over_time(etl_expected_items{{job="etl"}}[1h])) > 0)',
                ),
                figure(
                    "Failed",
                    "Items that failed in this load; the dead-letter file has the reasons.",
                    "none",
                    'sum(last_over_time(etl_items_total{job="etl", outcome="failed"}[1h]))',
                    warn=1,
                    bad=100,
                ),
                figure(
                    "Since the last item",
                    "Seconds since an item came to its outcome.",
                    "s",
                    'time() - max(last_over_time(etl_last_progress_timestamp_seconds{job="etl"}[1h]))',
                ),
            ),
        ),
        Row(
            "Speed",
            (
                lines(
                    "How fast is it?",
                    "Items a second, by outcome.",
                    "short",
                    (f'sum by (outcome) (rate(etl_items_total{{job="etl"}}[{RATE}]))', "{{outcome}}"),
                    stacked=True,
                ),
                lines(
                    "How much is read?",
                    "Bytes of photos a second.",
                    "Bps",
                    (f'sum(rate(etl_read_bytes_total{{job="etl"}}[{RATE}]))', "read"),
                ),
                lines(
                    "Which stage is the narrow one?",
                    "Threads busy in each stage, on average; the one at its limit holds up the rest.",
                    "short",
                    (f'sum by (stage) (rate(etl_stage_seconds_total{{job="etl"}}[{RATE}]))', "{{stage}}"),
                    stacked=True,
                ),
                lines(
                    "What does it wait for?",
                    "Share of the time spent waiting for a part that is away.",
                    "percentunit",
                    (f'sum by (part) (rate(etl_waiting_seconds_total{{job="etl"}}[{RATE}]))', "{{part}}"),
                ),
            ),
        ),
    ),
)
