#!/usr/bin/env bash
# Makes the network that all services share, where it is missing, and writes into the env file what follows from it:
# its subnet, and the names and addresses that no proxy may be asked for.
#   compose/network.sh [env file]     default: compose/.env
set -euo pipefail
file=${1:-$(dirname "$0")/.env}
[ -f "$file" ] || { echo "network: $file is missing; run make secrets first" >&2; exit 1; }

value() { sed -n "s/^$1=//p" "$file" | tail -n 1; }

name=${NETWORK_NAME:-$(value NETWORK_NAME)}
name=${name:-fashion-search}
docker network inspect "$name" >/dev/null 2>&1 || {
    docker network create --driver bridge ${NETWORK_CREATE:-} "$name" >/dev/null
    echo "network: made $name"
}
subnet=$(docker network inspect --format '{{range .IPAM.Config}}{{.Subnet}} {{end}}' "$name" | awk '{print $1}')
[ -n "$subnet" ] || { echo "network: $name has no subnet" >&2; exit 1; }

names=localhost,127.0.0.1,minio,etcd,milvus,attu,fashion-search,nginx,ui,etl
names+=,prometheus,alertmanager,alert_webhook,grafana,elasticsearch,kibana,fluent_bit
names+=,node_exporter,cadvisor,nginx_exporter,elasticsearch_exporter

set_value() {
    local copy
    copy=$(mktemp "$file.XXXXXX")
    chmod --reference="$file" "$copy"
    # The line keeps its place.
    awk -v name="$1" -v value="$2" '
        index($0, name "=") == 1 && !done {
            print name "=" value; done = 1; next
        }
        {print}
        END {if (!done) print name "=" value}' "$file" >"$copy"
    mv "$copy" "$file"
}

# What somebody added to the list stays in it.
own=$(value NO_PROXY | tr ',' '\n' | grep -vxF -e "$(tr ',' '\n' <<<"$names,$subnet")" | grep -v '/' | paste -sd, || true)
set_value NETWORK_SUBNET "$subnet"
set_value NO_PROXY "$names,$subnet${own:+,$own}"
echo "network: $name is $subnet"
