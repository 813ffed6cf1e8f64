#!/usr/bin/env bash
# Runs the real Fluent Bit over a folder of logs and prints each record as one line of JSON; no Elasticsearch is needed.
#   monitoring/fluent_bit/run.sh LOGS     LOGS holds service/ ui/ etl/ nginx/, as the volume `logs` does
# FLUENT_BIT=path of the program; BUFFER_DIR=folder for positions and chunks (default: a new one each time);
# FLUENT_BIT_SECONDS=how long it reads (default: until Ctrl-C).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=${FLUENT_BIT:-$(command -v fluent-bit || echo /opt/fluent-bit/bin/fluent-bit)}
[ -x "$program" ] || { echo "run.sh: there is no Fluent Bit here; set FLUENT_BIT to its program" >&2; exit 3; }
[ -d "${1:-}" ] || { echo "run.sh: say which folder holds the logs" >&2; exit 2; }
LOGS_DIR=$(cd "$1" && pwd)
BUFFER_DIR=${BUFFER_DIR:-$(mktemp -d)}
export LOGS_DIR BUFFER_DIR ELASTICSEARCH_HOST=127.0.0.1 FLUENT_BIT_PASSWORD=none
export FLUENT_BIT_TO_ELASTICSEARCH=nothing FLUENT_BIT_TO_STDOUT='*'
echo "run.sh: $("$program" --version | head -n 1), positions in $BUFFER_DIR" >&2
cd "$here"
"$program" --config fluent-bit.yaml --dry-run >&2
if [ -n "${FLUENT_BIT_SECONDS:-}" ]; then exec timeout -s INT "$FLUENT_BIT_SECONDS" "$program" -q -c fluent-bit.yaml; fi
exec "$program" -q -c fluent-bit.yaml
