#!/usr/bin/env bash
# A Docker engine of the proof's own, from Debian's packages, with its data, socket and addresses apart from any other.
#   engine.sh start FOLDER     prints nothing; the socket is FOLDER/socket
#   engine.sh stop FOLDER      ends it and takes its rules out of iptables, and its bridges and mounts away
set -euo pipefail
command=$1
folder=$(mkdir -p "$2" && cd "$2" && pwd)
export DOCKER_HOST=unix://$folder/socket

start() {
    command -v dockerd >/dev/null || { echo "engine: dockerd is not installed (Debian: docker.io)" >&2; exit 1; }
    iptables-save >"$folder/iptables.before"
    # cAdvisor looks for the engine where engines are.
    local also=()
    if [ ! -e /var/run/docker.sock ]; then also=(-H unix:///var/run/docker.sock); touch "$folder/also"; fi
    nohup dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" -H "$DOCKER_HOST" "${also[@]}" \
        --bip 172.31.99.1/24 >>"$folder/log" 2>&1 &
    for _ in $(seq 120); do docker version >/dev/null 2>&1 && return; sleep 0.5; done
    tail -n 5 "$folder/log" >&2
    exit 1
}

stop() {
    [ -e "$folder/pid" ] || return 0
    local pid
    pid=$(cat "$folder/pid")
    kill -TERM "$pid" 2>/dev/null || true
    for _ in $(seq 120); do kill -0 "$pid" 2>/dev/null || break; sleep 1; done
    # It leaves the network namespace of --network host mounted, and what a hard end left.
    awk -v below="$folder/" 'index($2, below) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount
    [ ! -e "$folder/also" ] || rm -f /var/run/docker.sock "$folder/also"
    iptables-restore <"$folder/iptables.before"
    for bridge in $(ip -o link show type bridge | awk -F': ' '$2 ~ /^(docker0|br-[0-9a-f]{12})$/ {print $2}'); do
        ip link delete "$bridge"
    done
}

"$command"
