#!/usr/bin/env bash
# Imports the data view and the views of errors and slow requests; what was changed in them is written over.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
: "${KIBANA_URL:?address of Kibana}" "${ELASTIC_PASSWORD:?}"
# shellcheck source=/dev/null
. "$here/../elasticsearch/call.sh"

answer=$(call POST "$KIBANA_URL/api/saved_objects/_import?overwrite=true" --header 'kbn-xsrf: true' \
    --form "file=@$here/saved_objects.ndjson")
# 200 comes with "success": false where single objects were refused.
case $answer in
    *'"success":true'*) echo "init: saved objects of Kibana" ;;
    *) echo "init: Kibana refused objects: ${answer:0:1000}" >&2; exit 1 ;;
esac
