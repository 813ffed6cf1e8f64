#!/usr/bin/env bash
# Makes of a fresh Elasticsearch what the logs need: passwords of `elastic` and `kibana_system`, the lifecycle, the
# types, a role and a user for each program. Run it again at any time: it brings passwords and files up to date.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${ELASTICSEARCH_URL:?address of Elasticsearch}" "${ELASTIC_PASSWORD:?}" "${KIBANA_SYSTEM_PASSWORD:?}"
: "${FLUENT_BIT_PASSWORD:?}" "${GRAFANA_READER_PASSWORD:?}" "${ELASTICSEARCH_EXPORTER_PASSWORD:?}"
# shellcheck source=/dev/null
. "$here/call.sh"
es=$ELASTICSEARCH_URL
send() { # METHOD PATH: the body comes from standard input
    call "$1" "$es$2" --header 'Content-Type: application/json' --data-binary @- >/dev/null
}

call GET "$es/_security/_authenticate" >/dev/null || {
    echo "init: ELASTIC_PASSWORD is not the password of elastic. Set it in Elasticsearch as it is in compose/.env:" >&2
    echo "      docker compose exec elasticsearch bin/elasticsearch-reset-password -i -u elastic" >&2
    exit 1
}
# The first start took elastic's password from the environment; from here on it is kept by Elasticsearch itself.
send POST /_security/user/elastic/_password <<<"{\"password\": $(json "$ELASTIC_PASSWORD")}"
send POST /_security/user/kibana_system/_password <<<"{\"password\": $(json "$KIBANA_SYSTEM_PASSWORD")}"
echo "init: passwords of elastic and kibana_system"

send PUT /_ilm/policy/fluentbit_logs <"$here/lifecycle.json"
send PUT /_index_template/fluentbit_logs <"$here/index_template.json"
# Made here, so that nobody else needs the right to make an index.
call GET "$es/_data_stream/fluentbit_logs" >/dev/null 2>&1 ||
    call PUT "$es/_data_stream/fluentbit_logs" >/dev/null
echo "init: lifecycle, types and the data stream fluentbit_logs"

for user in "fluent_bit:$FLUENT_BIT_PASSWORD" "grafana_reader:$GRAFANA_READER_PASSWORD" \
    "exporter:$ELASTICSEARCH_EXPORTER_PASSWORD"; do
    name=${user%%:*}
    send PUT "/_security/role/$name" <"$here/roles/$name.json"
    send PUT "/_security/user/$name" <<<"{\"password\": $(json "${user#*:}"), \"roles\": [\"$name\"]}"
    AS=$user call GET "$es/_security/_authenticate" >/dev/null
    echo "init: role and user $name"
done
