#!/usr/bin/env bash
# The composed system for real: an engine, the images, the compose files as they are, the sample, searches through the
# door, a restart of the engine, three instances one of which stops under load. Prints what it saw; ends at the first
# thing that is not as it should be. Half an hour on two cores, as root.
#   make compose-proof        PROOF_DIR=folder  TORCH_WHEEL=address  KEEP=1 (leaves it running)
# Images are stood in for (standins/) under their own names, where Debian or PyPI has the program. Attu, Grafana,
# Elasticsearch with its exporter, Kibana and Fluent Bit have no stand-in and are left out.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=tests/compose/proof
folder=${PROOF_DIR:-.cache/compose-proof}
mkdir -p "$folder/config/cli-plugins" "$folder/bin"
folder=$(cd "$folder" && pwd)
# The engine package's own client, where the machine has another one too.
if [ -x /usr/bin/docker ]; then ln -sf /usr/bin/docker "$folder/bin/docker"; export PATH=$folder/bin:$PATH; fi
export DOCKER_HOST=unix://$folder/engine/socket DOCKER_CONFIG=$folder/config
export ENV_FILE=$folder/env COMPOSE_PROJECT_NAME=fashion-proof NETWORK_NAME=fashion-proof CONSOLES=0 BUILD_NETWORK=host
export OBSERVABILITY="prometheus alertmanager alert_webhook node_exporter cadvisor nginx_exporter"
cp "$(scripts/compose-program.sh)" "$DOCKER_CONFIG/cli-plugins/docker-compose"
say() { echo "[$(date -u +%T)] $*"; }
fail() { say "FAILED: $*"; exit 1; }
ending() {
    [ -z "${KEEP:-}" ] || return 0
    YES=1 make --no-print-directory clean >/dev/null 2>&1 || true
    $here/engine.sh stop "$folder/engine"
}
trap ending EXIT
setting() { sed -n "s/^$1=//p" "$ENV_FILE"; }

$here/engine.sh start "$folder/engine"
docker image inspect python:3.11-slim >/dev/null 2>&1 || $here/base.sh "$folder/base" | docker import - python:3.11-slim >/dev/null
say "engine $(docker version --format '{{.Server.Version}}'), $(docker compose version)"
while read -r name image; do
    docker image inspect "$image" >/dev/null 2>&1 ||
        DOCKER_BUILDKIT=0 docker build -q --network host -f "$here/standins/$name.Dockerfile" -t "$image" "$here/standins" >/dev/null
    say "stands in: $image"
done <<'IMAGES'
nginx nginx:1.28.0-bookworm
etcd quay.io/coreos/etcd:v3.5.25
minio minio/minio:RELEASE.2025-09-07T16-13-09Z
milvus milvusdb/milvus:v2.6.11
prometheus prom/prometheus:v3.5.5
alertmanager prom/alertmanager:v0.28.1
node_exporter prom/node-exporter:v1.9.1
nginx_exporter nginx/nginx-prometheus-exporter:1.4.2
cadvisor gcr.io/cadvisor/cadvisor:v0.52.1
IMAGES

# Through a proxy, as a host behind one builds: it has to be asked, and to leave no trace in the images.
free() { python3 -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"; }
through=()
if command -v tinyproxy >/dev/null; then
    port=$(free)
    printf 'Port %s\nListen 127.0.0.1\nAllow 127.0.0.1\nLogFile "%s"\nLogLevel Connect\n' "$port" "$folder/proxy.log" >"$folder/proxy.conf"
    rm -f "$folder/proxy.log"
    tinyproxy -d -c "$folder/proxy.conf" >/dev/null 2>&1 & proxy=$!
    through=(HTTP_PROXY=http://127.0.0.1:$port HTTPS_PROXY=http://127.0.0.1:$port NO_PROXY=127.0.0.1)
fi
begun=$SECONDS
env "${through[@]}" make --no-print-directory image BACKEND=docker >"$folder/image.log" 2>&1 || fail "make image: $folder/image.log"
say "make image: $((SECONDS - begun)) s"
if [ ${#through[@]} -gt 0 ]; then
    kill "$proxy"
    asked=$(grep -c 'Request (file descriptor .*CONNECT' "$folder/proxy.log") || fail "the build did not ask the proxy"
    say "built through a proxy, which was asked $asked times"
fi
docker images --format '  {{.Repository}}:{{.Tag}} {{.Size}}' | grep fashion-search/
image=fashion-search/service:$(sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)
begun=$SECONDS
make --no-print-directory image BACKEND=docker IMAGES=service VENV=none >"$folder/image.log" 2>&1 ||
    fail "make image without Python: $folder/image.log"
say "make image without Python and BentoML of the host, packages from the cache: $((SECONDS - begun)) s; this image is started below"

rm -f "$ENV_FILE"
compose/secrets.sh "$ENV_FILE" >/dev/null
change() { sed -i "s|^$1=.*|$1=$2|" "$ENV_FILE"; }
for port in MINIO_HOST_PORT MINIO_CONSOLE_HOST_PORT MILVUS_HOST_PORT API_HOST_PORT PHOTOS_HOST_PORT UI_HOST_PORT \
    PROMETHEUS_HOST_PORT ALERTMANAGER_HOST_PORT; do
    change "$port" "$(free)"
done
for address in API_HOST_ADDRESS PHOTOS_HOST_ADDRESS UI_HOST_ADDRESS; do change "$address" 127.0.0.1; done
change MINIO_PUBLIC_ENDPOINT "http://127.0.0.1:$(setting PHOTOS_HOST_PORT)"
change NETWORK_NAME fashion-proof
change MODEL_THREADS 1
change NODE_EXPORTER_MOUNT ro
change DOCKER_FOLDER "$folder/engine/data"
# A proxy that answers nobody: whatever the parts ask it for instead of each other fails.
change ENTRY_PROXY http://127.0.0.1:9
# The load below comes from one address.
change NGINX_RATE 1000
change NGINX_BURST 1000
door=http://127.0.0.1:$(setting API_HOST_PORT)

say "what is in the image"
$here/contents.sh docker "$image" "$ENV_FILE"

stage() {
    local begun=$SECONDS
    make --no-print-directory "up-$1" >"$folder/up-$1.log" 2>&1 || fail "make up-$1: $folder/up-$1.log"
    say "make up-$1: done and healthy after $((SECONDS - begun)) s"
}
stage base
stage etl
say "$(tail -n 1 "$folder/up-etl.log")"
stage application
stage observability
begun=$SECONDS
make --no-print-directory up >"$folder/up.log" 2>&1 || fail "make up again: $folder/up.log"
say "make up, with everything there already: $((SECONDS - begun)) s; $(grep -a "uploaded\|unchanged" "$folder/up.log" | tail -n 1)"

search() {
    curl -fsS -m 20 "$door/search-image" -H "X-API-Key: $(setting SEARCH_API_KEY)" -H 'Content-Type: application/json' \
        -d '{"query": "black leather jacket", "top_k": 1}' 2>/dev/null
}
check_search() {
    local link
    link=$(search | python3 -c 'import json, sys; print(json.load(sys.stdin)["results"][0]["url"])')
    curl -fsS -m 20 -o "$folder/photo" "$link"
    cmp -s "$folder/photo" local/sample/images/055-jacket-black.jpg || fail "the link gave another photo"
    [ "$(curl -s -o /dev/null -w '%{http_code}' -X PUT -d x "$link")" = 403 ] || fail "a link can be written to"
    [ "$(curl -s "$door/facets" -H "X-API-Key: $(setting SEARCH_API_KEY)" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["total"])')" = 120 ] || fail "items are missing"
}
check_search
[ "$(curl -s -o /dev/null -w '%{http_code}' "$door/facets")" = 401 ] || fail "no key was asked for"
say "a search through the door; its link opens from outside the network, and cannot be written to"

SCALE=3 make --no-print-directory up-application >>"$folder/up.log" 2>&1 || fail "SCALE=3: $folder/up.log"
prometheus=http://127.0.0.1:$(setting PROMETHEUS_HOST_PORT)
search >/dev/null
$here/watched.sh "$prometheus" targets 3
load() { .venv/bin/python -m tests.compose.proof.load "$door" "$(setting SEARCH_API_KEY)" "$1" >"$folder/load.txt"; }
load 40 & loading=$!
sleep 8
docker stop -t 60 fashion-proof-fashion-search-2 >/dev/null
wait $loading
say "SCALE=3, one stopped under load: $(cat "$folder/load.txt")"
grep -qE "^\{'200': [0-9]+\}$" "$folder/load.txt" || fail "requests were lost"
load 25 & loading=$!
sleep 8
docker kill -s KILL fashion-proof-fashion-search-3 >/dev/null
wait $loading
say "and one killed: $(cat "$folder/load.txt")"
grep -qE "^\{'200': [0-9]+\}$" "$folder/load.txt" || fail "requests were lost"

$here/watched.sh "$prometheus" alert fashion-proof-alert_webhook-1

say "restart of the engine"
kill -TERM "$(cat "$folder/engine/pid")"
while [ -e "$folder/engine/pid" ] && kill -0 "$(cat "$folder/engine/pid")" 2>/dev/null; do sleep 1; done
cp "$folder/engine/iptables.before" "$folder/iptables.before"
$here/engine.sh start "$folder/engine"
cp "$folder/iptables.before" "$folder/engine/iptables.before"
begun=$SECONDS
until search >/dev/null; do
    [ $((SECONDS - begun)) -lt 300 ] || fail "no search five minutes after the restart"
    sleep 1
done
check_search
say "searches again $((SECONDS - begun)) s after it; nothing is lost"
[ -z "$(docker ps --quiet --filter health=unhealthy)" ] || fail "unhealthy: $(docker ps --filter health=unhealthy)"
docker stats --no-stream --format '  {{.Name}} {{.MemUsage}}'
say "all seen"
