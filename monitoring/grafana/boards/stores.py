"""Do Milvus, the object store, etcd and nginx do their work?"""

from __future__ import annotations

from monitoring.grafana.boards.panels import RATE, Board, Row, lines

BOARD = Board(
    uid="fashion-stores",
    title="Fashion search: stores and door",
    description="Do Milvus, the object store, etcd and nginx do their work?",
    rows=(
        Row(
            "Milvus",
            (
                lines(
                    "Searches in Milvus",
                    "Vectors searched a second, as Milvus counts them.",
                    "reqps",
                    (f'sum(rate(milvus_proxy_search_vectors_count{{job="milvus"}}[{RATE}]))', "searches"),
                ),
                lines(
                    "How long does Milvus take?",
                    "95th percentile of a search's or query's milliseconds inside Milvus.",
                    "ms",
                    (
                        "histogram_quantile(0.95, sum by (query_type, le) "
                        f'(rate(milvus_proxy_sq_latency_bucket{{job="milvus"}}[{RATE}])))',
                        "{{query_type}}",
                    ),
                ),
                lines(
                    "How many entities are there?",
                    "Rows on disk in all collections; a rebuild doubles them until the old collection is dropped.",
                    "short",
                    # Rows are counted once for each state that their segment has had.
                    ('sum(milvus_datacoord_stored_rows_num{job="milvus", segment_state="Flushed"})', "rows"),
                ),
                lines(
                    "Memory of Milvus' process",
                    "Resident bytes.",
                    "bytes",
                    ('process_resident_memory_bytes{job="milvus"}', "{{instance}}"),
                ),
            ),
        ),
        Row(
            "Object store",
            (
                lines(
                    "Requests to the store",
                    "S3 calls a second, by kind.",
                    "reqps",
                    (f'sum by (api) (rate(minio_s3_requests_total{{job="minio"}}[{RATE}]))', "{{api}}"),
                ),
                lines(
                    "How much space is left?",
                    "Usable bytes of the store.",
                    "bytes",
                    ('minio_cluster_capacity_usable_free_bytes{job="minio"}', "free"),
                    ('minio_cluster_capacity_usable_total_bytes{job="minio"}', "in all"),
                ),
            ),
        ),
        Row(
            "etcd",
            (
                lines(
                    "Has etcd a leader?",
                    "1 as it should be; without one Milvus can change nothing.",
                    "none",
                    ('etcd_server_has_leader{job="etcd"}', "{{instance}}"),
                ),
                lines(
                    "How fast is etcd's disk?",
                    "99th percentile of a write to its log; above 10 ms it is too slow.",
                    "s",
                    (
                        "histogram_quantile(0.99, sum by (le) "
                        f'(rate(etcd_disk_wal_fsync_duration_seconds_bucket{{job="etcd"}}[{RATE}])))',
                        "write to the log",
                    ),
                ),
                lines(
                    "How large is etcd?",
                    "Bytes of its database; at 2 GB (its quota) it takes no more writes.",
                    "bytes",
                    ('etcd_mvcc_db_total_size_in_bytes{job="etcd"}', "{{instance}}"),
                ),
            ),
        ),
        Row(
            "nginx",
            (
                lines(
                    "Requests at the door",
                    "Requests a second, photos included.",
                    "reqps",
                    (f'sum(rate(nginx_http_requests_total{{job="nginx"}}[{RATE}]))', "requests"),
                ),
                lines(
                    "Connections at the door",
                    "Open connections, and those that wait for the next request.",
                    "short",
                    ('nginx_connections_active{job="nginx"}', "open"),
                    ('nginx_connections_waiting{job="nginx"}', "waiting"),
                ),
            ),
        ),
    ),
)
