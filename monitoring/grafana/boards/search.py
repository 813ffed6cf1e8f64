"""Where does a search spend its time, and what do its users see of it?"""

from __future__ import annotations

from monitoring.grafana.boards.panels import RATE, Board, Row, lines

BOARD = Board(
    uid="fashion-search",
    title="Fashion search: searches by stage",
    description="Where does a search spend its time, and what do people see of it?",
    rows=(
        Row(
            "Stages",
            (
                lines(
                    "Which stage is slow?",
                    "95th percentile of each stage's seconds; `queue`, within `encode`, waits for a call to the model.",
                    "s",
                    ("stage:stage_seconds:p95_5m", "{{stage}}"),
                ),
                lines(
                    "Where does the time go?",
                    "Mean seconds of the stages, one upon the other.",
                    "s",
                    ('stage:stage_seconds:mean5m{stage!="queue"}', "{{stage}}"),
                    stacked=True,
                ),
                lines(
                    "Latency by route",
                    "95th percentile of the seconds, by route.",
                    "s",
                    ("handler:api_seconds:p95_5m", "{{handler}}"),
                ),
                lines(
                    "Is one instance slower than the others?",
                    "95th percentile of a search's seconds, by instance.",
                    "s",
                    ("instance:search_seconds:p95_5m", "{{instance}}"),
                ),
                lines(
                    "How many searches take longer than a second?",
                    "Share of the searches.",
                    "percentunit",
                    (
                        '1 - sum(rate(http_request_duration_seconds_bucket{job="service", handler="/search-image", '
                        f'le="1.0"}}[{RATE}])) / (sum(rate(http_request_duration_seconds_count{{job="service", '
                        f'handler="/search-image"}}[{RATE}])) > 0)',
                        "slower than 1 s",
                    ),
                ),
                lines(
                    "How do searches end?",
                    "Answers to searches a second, by status.",
                    "reqps",
                    (
                        'sum by (status) (instance_handler_status:http_requests:rate5m{handler="/search-image"})',
                        "{{status}}",
                    ),
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Calls behind a search",
            (
                lines(
                    "Calls by part",
                    "Calls to runner and Milvus a second, by operation.",
                    "reqps",
                    (
                        f'sum by (part, operation) (rate(backend_calls_total{{job="service"}}[{RATE}]))',
                        "{{part}} {{operation}}",
                    ),
                ),
                lines(
                    "Which calls fail?",
                    "Share of the calls that ended with an error or ran out of time.",
                    "percentunit",
                    (
                        f'(sum by (part) (rate(backend_calls_total{{job="service", outcome!="ok"}}[{RATE}])) or '
                        f'0 * sum by (part) (rate(backend_calls_total{{job="service"}}[{RATE}]))) / '
                        f'(sum by (part) (rate(backend_calls_total{{job="service"}}[{RATE}])) > 0)',
                        "{{part}}",
                    ),
                ),
            ),
        ),
        Row(
            "The search page",
            (
                lines(
                    "What do shoppers find?",
                    "Searches a second, by outcome.",
                    "reqps",
                    (f'sum by (outcome) (rate(fashion_ui_searches_total{{job="ui"}}[{RATE}]))', "{{outcome}}"),
                    stacked=True,
                ),
                lines(
                    "How long does the page take?",
                    "95th percentile: the whole page, and the service's part of it.",
                    "s",
                    (
                        "histogram_quantile(0.95, sum by (view, le) "
                        f'(rate(fashion_ui_page_seconds_bucket{{job="ui"}}[{RATE}])))',
                        "page: {{view}}",
                    ),
                    (
                        "histogram_quantile(0.95, sum by (le) "
                        f'(rate(fashion_ui_api_seconds_bucket{{job="ui"}}[{RATE}])))',
                        "one call to the service",
                    ),
                ),
            ),
        ),
    ),
)
