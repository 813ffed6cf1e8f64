#!/bin/sh
# Starts the service in a container, and stops it so that no request is lost: when it is told to stop, /readyz turns
# to 503, the proxy in front leaves this instance out, the requests under way are answered, and only then does it end.
set -eu
: "${DRAIN_SECONDS:=10}"
export DRAIN_FILE="${DRAIN_FILE:-/tmp/draining}"
rm -f "$DRAIN_FILE"
mkdir -p "${BENTOML_HOME:-/tmp/bentoml}"

bentoml serve service:FashionSearch --host "${HOST:-0.0.0.0}" --port "${PORT:-3000}" "$@" &
service=$!

drain() {
    trap '' TERM INT
    : >"$DRAIN_FILE"
    sleep "$DRAIN_SECONDS" &
    sleeping=$!
    # A service that ended by itself meanwhile is not waited for.
    while kill -0 "$service" 2>/dev/null && kill -0 "$sleeping" 2>/dev/null; do sleep 0.2; done
    kill "$sleeping" 2>/dev/null || true
    kill -TERM "$service" 2>/dev/null || true
    code=0
    wait "$service" || code=$?
    [ "$code" = 143 ] && code=0
    exit "$code"
}
trap drain TERM INT

code=0
wait "$service" || code=$?
exit "$code"
