"""Do logs and alerts arrive?"""

from __future__ import annotations

from monitoring.grafana.boards.panels import RATE, Board, Row, figure, lines

BOARD = Board(
    uid="fashion-logs",
    title="Fashion search: logs and alerts on their way",
    description="Do logs reach Elasticsearch, and alerts people?",
    rows=(
        Row(
            "Now",
            (
                figure(
                    "Records dropped, last hour",
                    "Log records that Elasticsearch will never get.",
                    "none",
                    "sum(increase(fluentbit_output_dropped_records_total[1h]))",
                    warn=1,
                    bad=1,
                ),
                figure(
                    "Logs that wait",
                    "Bytes on Fluent Bit's disk that are not delivered yet; from 256 MB on it stops reading.",
                    "bytes",
                    "sum(fluentbit_input_storage_chunks_busy_bytes)",
                    warn=32e6,
                    bad=128e6,
                ),
                figure(
                    "Elasticsearch is green or yellow",
                    "1 as it should be (one node alone is yellow at best when replicas are asked for).",
                    "none",
                    'max(elasticsearch_cluster_health_status{color=~"green|yellow"})',
                    warn=1,
                    bad=0.5,
                ),
                figure(
                    "Alerts that wait for Discord",
                    "Messages in the webhook's spool.",
                    "none",
                    "sum(alert_webhook_pending_messages)",
                    warn=1,
                    bad=10,
                ),
                figure(
                    "Dead letters",
                    "Alert messages that were given up since the webhook started.",
                    "none",
                    "sum(alert_webhook_dead_letters_total)",
                    warn=1,
                    bad=1,
                ),
            ),
        ),
        Row(
            "Fluent Bit",
            (
                lines(
                    "How many lines are read?",
                    "Records a second, by source.",
                    "short",
                    (f"sum by (name) (rate(fluentbit_input_records_total[{RATE}]))", "{{name}}"),
                    stacked=True,
                ),
                lines(
                    "How many are delivered?",
                    "Records a second, by destination.",
                    "short",
                    (f"sum by (name) (rate(fluentbit_output_proc_records_total[{RATE}]))", "{{name}}"),
                ),
                lines(
                    "What goes wrong?",
                    "Chunks sent again, and chunks refused, a second.",
                    "short",
                    (f"sum by (name) (rate(fluentbit_output_retries_total[{RATE}]))", "{{name}} again"),
                    (f"sum by (name) (rate(fluentbit_output_errors_total[{RATE}]))", "{{name}} refused"),
                ),
                lines(
                    "How much waits?",
                    "Bytes of chunks on their way, by source.",
                    "bytes",
                    ("sum by (name) (fluentbit_input_storage_chunks_busy_bytes)", "{{name}}"),
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Elasticsearch",
            (
                lines(
                    "How much is indexed?",
                    "Documents a second.",
                    "short",
                    (f"sum(rate(elasticsearch_indices_indexing_index_total[{RATE}]))", "documents"),
                ),
                lines(
                    "How large are the indices?",
                    "Bytes on disk; the lifecycle policy removes the old ones.",
                    "bytes",
                    ("sum(elasticsearch_indices_store_size_bytes)", "indices"),
                ),
                lines(
                    "How much of its disk is left?",
                    "Share; at 5 % Elasticsearch makes its indices read-only.",
                    "percentunit",
                    (
                        "elasticsearch_filesystem_data_available_bytes / elasticsearch_filesystem_data_size_bytes",
                        "{{name}}",
                    ),
                ),
                lines(
                    "How full is its heap?",
                    "Share of the Java heap in use.",
                    "percentunit",
                    (
                        'elasticsearch_jvm_memory_used_bytes{area="heap"} / '
                        'elasticsearch_jvm_memory_max_bytes{area="heap"}',
                        "{{name}}",
                    ),
                ),
            ),
        ),
        Row(
            "Alerts",
            (
                lines(
                    "What does the webhook do?",
                    "Messages in ten minutes, by outcome.",
                    "none",
                    ("sum by (outcome) (increase(alert_webhook_messages_total[10m]))", "{{outcome}}"),
                ),
                lines(
                    "Does Alertmanager reach it?",
                    "Notifications in ten minutes, and those that failed.",
                    "none",
                    ('sum(increase(alertmanager_notifications_total{integration="webhook"}[10m]))', "sent"),
                    ('sum(increase(alertmanager_notifications_failed_total{integration="webhook"}[10m]))', "failed"),
                ),
            ),
        ),
    ),
)
