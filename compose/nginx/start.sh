#!/bin/sh
# Starts nginx, and keeps its list of instances true: every two seconds each address behind the service's name is asked
# /readyz, and one that is not ready (it drains, its model is gone, it is dead) is left out before requests meet it.
# Open nginx has neither active health checks nor, before 1.27, names that are looked up again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${SERVICE:?addresses of the service, host:port}" "${STORE:?the object store, host:port}" "${BUCKET:?bucket of the photos}"
: "${RUN:=/tmp/nginx}" "${LOG_DIR:=/tmp/nginx}" "${LISTEN:=0.0.0.0}" "${PORTS:=8080 8081 8082}" "${PERIOD:=2}"
: "${MAX_BODY_MB:=32}" "${RATE:=20}" "${BURST:=40}" "${PHOTO_RATE:=100}" "${PHOTO_BURST:=300}"
: "${LOG_MB:=100}" "${LOG_KEEP:=5}"
mkdir -p "$RUN"
# shellcheck disable=SC2086  # three words
set -- $PORTS

sed -e "s|@RUN@|$RUN|g; s|@HERE@|$here|g; s|@LOGS@|$LOG_DIR|g; s|@BUCKET@|$BUCKET|g; s|@BODY@|$MAX_BODY_MB|g" \
    -e "s|@RATE@|$RATE|g; s|@BURST@|$BURST|g; s|@PHOTO_RATE@|$PHOTO_RATE|g; s|@PHOTO_BURST@|$PHOTO_BURST|g" \
    -e "s|@API@|$LISTEN:$1|g; s|@PHOTOS@|$LISTEN:$2|g; s|@INSIDE@|$LISTEN:$3|g" \
    "$here/nginx.conf" >"$RUN/nginx.conf"

# host:port for every address that each name has now.
addresses() {
    for place in $1; do
        getent ahostsv4 "${place%:*}" | awk -v port="${place##*:}" '$2 == "STREAM" {print $1 ":" port}'
    done | sort -u
}

ready() {
    found="$RUN/ready.$$"
    rm -f "$found".*
    for address in $1; do
        (curl -fs -m 2 -o /dev/null "http://$address/readyz" && : >"$found.$address") &
        asked="${asked:-} $!"
    done
    # shellcheck disable=SC2086
    wait ${asked:-} || true
    asked=
    for address in $1; do [ -e "$found.$address" ] && echo "$address"; done
    rm -f "$found".*
}

# One upstream; where nobody is left, an address that refuses at once.
upstream() {
    echo "upstream $1 {"
    for address in ${2:-127.0.0.1:9}; do echo "    server $address max_fails=1 fail_timeout=2s;"; done
    echo "    keepalive 16;"
    echo "}"
}

look() {
    all=$(addresses "$SERVICE")
    chosen=$(ready "$all")
    # Nobody is ready: a part behind them is away. They can say so themselves, and some calls need no such part.
    { upstream service "${chosen:-$all}"; upstream store "$(addresses "$STORE")"; } >"$RUN/upstreams.new"
    if cmp -s "$RUN/upstreams.new" "$RUN/upstreams.conf"; then return 1; fi
    mv "$RUN/upstreams.new" "$RUN/upstreams.conf"
    echo "instances:" $chosen "of" $all
}

# nginx never closes a log by itself: one that has grown is put aside, the oldest goes, and nginx begins a new one.
rotate() {
    moved=
    for log in "$LOG_DIR/access.log" "$LOG_DIR/error.log"; do
        [ -f "$log" ] && [ "$(stat -c %s "$log")" -gt $((LOG_MB * 1024 * 1024)) ] || continue
        number=$LOG_KEEP
        while [ "$number" -gt 1 ]; do
            [ ! -e "$log.$((number - 1))" ] || mv -f "$log.$((number - 1))" "$log.$number"
            number=$((number - 1))
        done
        mv -f "$log" "$log.1"
        moved=yes
    done
    [ -z "$moved" ] || kill -USR1 "$nginx"
}

look || true
# A reload closes idle connections at once, and a request that a client is just sending on one is lost. nginx from 1.27.4
# on waits with that; an older one gets no idle connections.
printf 'keepalive_timeout 65s;\nkeepalive_min_timeout 10s;\n' >"$RUN/keepalive.conf"
nginx -e stderr -t -q -c "$RUN/nginx.conf" 2>/dev/null || echo 'keepalive_timeout 0;' >"$RUN/keepalive.conf"
nginx -e stderr -c "$RUN/nginx.conf" -g 'daemon off;' &
nginx=$!
trap 'kill -QUIT "$nginx"; wait "$nginx"; exit 0' TERM INT QUIT
while kill -0 "$nginx" 2>/dev/null; do
    sleep "$PERIOD" & wait $! || true
    if look; then kill -HUP "$nginx"; fi
    rotate
done
wait "$nginx"
