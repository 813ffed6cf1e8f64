"""Is the search all right? The objective and the four golden signals."""

from __future__ import annotations

from monitoring.grafana.boards.panels import RATE, Board, Row, figure, lines

BOARD = Board(
    uid="fashion-overview",
    title="Fashion search: overview",
    description="Is the search all right? The objective, and traffic, latency, errors and saturation.",
    rows=(
        Row(
            "Objective: 99.5 % of the requests without a server error",
            (
                figure(
                    "Requests without a server error, last hour",
                    "Share of the requests to search, encode, items and facets that did not end with a 5xx.",
                    "percentunit",
                    "1 - service:api_errors:ratio_rate1h",
                    warn=0.999,
                    bad=0.995,
                ),
                figure(
                    "Error budget left of 30 days",
                    "1 is all of it; at 0 the objective of the month is missed.",
                    "percentunit",
                    "service:error_budget:remaining_30d",
                    warn=0.5,
                    bad=0.1,
                ),
                figure(
                    "Instances that answer",
                    "Instances of the service that Prometheus reaches.",
                    "none",
                    'sum(up{job="service"})',
                    warn=1,
                    bad=0.5,
                ),
                figure(
                    "Items in the catalogue",
                    "Items in the collection that is searched now.",
                    "short",
                    'max(collection_items{job="service"})',
                ),
                figure(
                    "Alerts firing",
                    "All alerts that fire now; Alertmanager's page shows which.",
                    "none",
                    'count(ALERTS{alertstate="firing"}) or vector(0)',
                    warn=1,
                    bad=3,
                ),
            ),
        ),
        Row(
            "Four golden signals",
            (
                lines(
                    "Latency: how long does a search take?",
                    "Seconds from a search's arrival to the end of its answer, all instances.",
                    "s",
                    ('handler:api_seconds:p50_5m{handler="/search-image"}', "half take less than"),
                    ('handler:api_seconds:p95_5m{handler="/search-image"}', "95 %"),
                    ('handler:api_seconds:p99_5m{handler="/search-image"}', "99 %"),
                ),
                lines(
                    "Traffic: what is asked for?",
                    "Requests a second by route.",
                    "reqps",
                    ("sum by (handler) (instance_handler_status:http_requests:rate5m)", "{{handler}}"),
                    stacked=True,
                ),
                lines(
                    "Errors: what is not answered with success?",
                    "Answers a second with a status from 400 on. 429: refused, too much load; 499: the client left.",
                    "reqps",
                    (
                        'sum by (status) (instance_handler_status:http_requests:rate5m{status=~"[45].."})',
                        "{{status}}",
                    ),
                    stacked=True,
                ),
                lines(
                    "Saturation: how much is under way?",
                    "Requests in the service, and those of them that wait for the model or are in it.",
                    "short",
                    ('sum(http_requests_in_flight{job="service"})', "requests under way"),
                    ("sum(instance:runner_calls:waiting)", "requests at the model"),
                ),
            ),
        ),
        Row(
            "What lies behind",
            (
                lines(
                    "Do the parts answer?",
                    "1: runner, Milvus and store answer the service's probes; 0: an instance finds the part away.",
                    "none",
                    ('min by (part) (backend_up{job="service"})', "{{part}}"),
                ),
                lines(
                    "Error budget: how fast is it spent?",
                    "1 spends exactly the month's budget in a month; 14.4 spends it in two days and wakes somebody.",
                    "none",
                    ("service:api_errors:ratio_rate1h / 0.005", "last hour"),
                    ("service:api_errors:ratio_rate6h / 0.005", "last 6 hours"),
                    ("service:api_errors:ratio_rate3d / 0.005", "last 3 days"),
                ),
                lines(
                    "Refused to protect the service",
                    "Requests a second answered 429: too many at once, or too many of one client.",
                    "reqps",
                    (f'sum by (reason) (rate(shed_requests_total{{job="service"}}[{RATE}]))', "{{reason}}"),
                ),
                lines(
                    "Clients' mistakes",
                    "Requests and photos refused, by error code.",
                    "reqps",
                    (f'sum by (code) (rate(bad_input_total{{job="service"}}[{RATE}]))', "{{code}}"),
                    stacked=True,
                ),
            ),
        ),
    ),
)
