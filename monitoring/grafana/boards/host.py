"""Have host and containers what they need?"""

from __future__ import annotations

from monitoring.grafana.boards.panels import RATE, Board, Row, figure, lines

_DISKS = 'fstype!~"tmpfs|overlay|squashfs|ramfs|iso9660"'

BOARD = Board(
    uid="fashion-host",
    title="Fashion search: host and containers",
    description="Have the host and its containers the memory, processors and disks that they need?",
    rows=(
        Row(
            "Host",
            (
                figure(
                    "Memory left",
                    "Share of the host's memory that programs can still get.",
                    "percentunit",
                    'min(node_memory_MemAvailable_bytes{job="node"} / node_memory_MemTotal_bytes{job="node"})',
                    warn=0.2,
                    bad=0.1,
                ),
                figure(
                    "Disk left",
                    "Share of the fullest disk that is free.",
                    "percentunit",
                    f'min(node_filesystem_avail_bytes{{job="node", {_DISKS}}} '
                    f'/ node_filesystem_size_bytes{{job="node", {_DISKS}}})',
                    warn=0.2,
                    bad=0.1,
                ),
                figure(
                    "Processors busy",
                    "Share of the processors' time that is used.",
                    "percentunit",
                    f'1 - avg(rate(node_cpu_seconds_total{{job="node", mode="idle"}}[{RATE}]))',
                    warn=0.8,
                    bad=0.95,
                ),
                figure(
                    "Up for",
                    "Seconds since the host was started.",
                    "s",
                    'min(node_time_seconds{job="node"} - node_boot_time_seconds{job="node"})',
                ),
            ),
        ),
        Row(
            "Host over time",
            (
                lines(
                    "What do the processors do?",
                    "Share of the processors' time, by kind of work. iowait: they wait for a disk.",
                    "percentunit",
                    (
                        f'avg by (mode) (rate(node_cpu_seconds_total{{job="node", mode!="idle"}}[{RATE}]))',
                        "{{mode}}",
                    ),
                    stacked=True,
                ),
                lines(
                    "Where is the memory?",
                    "Bytes of the host's memory.",
                    "bytes",
                    ('node_memory_MemTotal_bytes{job="node"} - node_memory_MemAvailable_bytes{job="node"}', "used"),
                    ('node_memory_MemTotal_bytes{job="node"}', "in all"),
                ),
                lines(
                    "How full are the disks?",
                    "Share that is used.",
                    "percentunit",
                    (
                        f'1 - node_filesystem_avail_bytes{{job="node", {_DISKS}}} / '
                        f'node_filesystem_size_bytes{{job="node", {_DISKS}}}',
                        "{{mountpoint}}",
                    ),
                ),
                lines(
                    "Do programs wait for disks or memory?",
                    "Share of the time in which some program stood still for want of it (pressure stall information).",
                    "percentunit",
                    (f'rate(node_pressure_io_waiting_seconds_total{{job="node"}}[{RATE}])', "disk"),
                    (f'rate(node_pressure_memory_waiting_seconds_total{{job="node"}}[{RATE}])', "memory"),
                    (f'rate(node_pressure_cpu_waiting_seconds_total{{job="node"}}[{RATE}])', "processor"),
                ),
            ),
        ),
        Row(
            "Containers",
            (
                lines(
                    "How near is each container to its limit?",
                    "Memory in use as a share of the container's own limit; at 1 the kernel ends it.",
                    "percentunit",
                    (
                        'container_memory_working_set_bytes{job="cadvisor", name!=""} / '
                        '(container_spec_memory_limit_bytes{job="cadvisor", name!=""} > 0)',
                        "{{name}}",
                    ),
                ),
                lines(
                    "Memory by container",
                    "Bytes in use that cannot be given back.",
                    "bytes",
                    ('container_memory_working_set_bytes{job="cadvisor", name!=""}', "{{name}}"),
                    stacked=True,
                ),
                lines(
                    "Processors by container",
                    "Processors in use.",
                    "short",
                    (
                        f'sum by (name) (rate(container_cpu_usage_seconds_total{{job="cadvisor", name!=""}}[{RATE}]))',
                        "{{name}}",
                    ),
                    stacked=True,
                ),
                lines(
                    "Which container was started again?",
                    "Starts in the last half hour.",
                    "none",
                    ('changes(container_start_time_seconds{job="cadvisor", name!=""}[30m])', "{{name}}"),
                ),
            ),
        ),
    ),
)
