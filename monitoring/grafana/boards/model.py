"""Does the model keep up? Batches, throughput and the queue before it."""

from __future__ import annotations

from monitoring.grafana.boards.panels import RATE, Board, Row, figure, lines

BOARD = Board(
    uid="fashion-model",
    title="Fashion search: model",
    description="Does the model keep up? Batches, throughput, device, and the queue before it.",
    rows=(
        Row(
            "What runs",
            (
                figure(
                    "Model, device and type",
                    "The model that encodes: name, fingerprint, dimension, device, type of numbers.",
                    "none",
                    'sum by (model, dim, device, dtype) (model_info{job="service"})',
                    legend="{{model}} · {{dim}} · {{device}} · {{dtype}}",
                ),
                figure(
                    "API workers",
                    "API processes that are alive, over all instances.",
                    "none",
                    'sum(model_serving_active_workers{job="service"})',
                    warn=1,
                    bad=0.5,
                ),
                figure(
                    "Runner starts, last hour",
                    "Model processes that were started; more than one for each deployment means that one died.",
                    "none",
                    'sum(increase(runner_starts_total{job="service"}[1h]))',
                    warn=1,
                    bad=2,
                ),
                figure(
                    "Time that the model computes",
                    "Share of the time in which the runners compute; near 1 for each runner it is the limit.",
                    "percentunit",
                    f'sum(rate(runner_busy_seconds_total{{job="service"}}[{RATE}]))',
                    warn=0.7,
                    bad=0.9,
                ),
            ),
        ),
        Row(
            "Throughput",
            (
                lines(
                    "What is encoded?",
                    "Texts and photos a second.",
                    "short",
                    (f'sum by (method) (rate(encoded_items_total{{job="service"}}[{RATE}]))', "{{method}}"),
                    stacked=True,
                ),
                lines(
                    "Who asks for it?",
                    "Requests a second that had something encoded, by kind and route.",
                    "reqps",
                    (
                        f'sum by (method, endpoint) (rate(encoding_requests_total{{job="service"}}[{RATE}]))',
                        "{{method}} {{endpoint}}",
                    ),
                ),
                lines(
                    "How fast is the model itself?",
                    "Items for each second inside the model: what it would reach if it were always busy.",
                    "short",
                    (
                        f'sum by (method) (rate(runner_batch_items_sum{{job="service"}}[{RATE}])) / '
                        f'(sum by (method) (rate(runner_busy_seconds_total{{job="service"}}[{RATE}])) > 0)',
                        "{{method}}",
                    ),
                ),
                lines(
                    "How long does one batch take?",
                    "Mean seconds from its beginning to its end; on a CPU two share the processors.",
                    "s",
                    ("avg by (method) (instance_method:batch_seconds:mean5m)", "{{method}}"),
                ),
            ),
        ),
        Row(
            "Batches and queue",
            (
                lines(
                    "How large are the batches?",
                    "Mean items in a batch: 1 means that nothing is joined, which is right while little is asked.",
                    "short",
                    ("avg by (method) (instance_method:batch_items:mean5m)", "{{method}}"),
                ),
                lines(
                    "How many calls are joined?",
                    "Mean calls in a batch, as BentoML counts them: a call may bring several items.",
                    "short",
                    (
                        f"sum by (method_name) (rate(bentoml_service_adaptive_batch_size_sum[{RATE}])) / "
                        f"(sum by (method_name) (rate(bentoml_service_adaptive_batch_size_count[{RATE}])) > 0)",
                        "{{method_name}}",
                    ),
                ),
                lines(
                    "Does the queue grow?",
                    "Requests that wait for the model or are in it, by instance.",
                    "short",
                    ("instance:runner_calls:waiting", "{{instance}}"),
                ),
                lines(
                    "Where do requests wait?",
                    "Mean seconds of the encode stage, and of what is in it: waiting in the API for a call that takes "
                    "the request along, then that call in the runner for its batch, then the model.",
                    "s",
                    ('stage:stage_seconds:mean5m{stage="encode"}', "encode stage"),
                    ('stage:stage_seconds:mean5m{stage="queue"}', "in the API, for a call"),
                    (
                        f'sum(rate(runner_queue_seconds_sum{{job="service"}}[{RATE}])) / '
                        f'(sum(rate(runner_queue_seconds_count{{job="service"}}[{RATE}])) > 0)',
                        "in the runner, for a batch",
                    ),
                    (
                        f'sum(rate(runner_batch_seconds_sum{{job="service"}}[{RATE}])) / '
                        f'(sum(rate(runner_batch_seconds_count{{job="service"}}[{RATE}])) > 0)',
                        "in the model",
                    ),
                ),
            ),
        ),
    ),
)
