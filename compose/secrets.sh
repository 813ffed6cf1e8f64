#!/usr/bin/env bash
# Writes strong secrets into the env file: each that is empty gets one, each that is set stays. Readable by you alone.
#   compose/secrets.sh [env file]     default: compose/.env, made from .env.example
set -euo pipefail
umask 077
here=$(dirname "$0")
file=${1:-$here/.env}
[ -e "$file" ] || cp "$here/.env.example" "$file"
chmod 600 "$file"

value() { sed -n "s/^$1=//p" "$file" | tail -n 1; }
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
sha256() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

made=()
give() {
    [ -z "$(value "$1")" ] || return 0
    local copy
    copy=$(mktemp "$file.XXXXXX")
    # Not as an argument of awk: other users see those.
    NAME=$1 VALUE=$2 awk '
        index($0, ENVIRON["NAME"] "=") == 1 && !done {
            print ENVIRON["NAME"] "=" ENVIRON["VALUE"]; done = 1; next
        }
        {print}
        END {if (!done) print ENVIRON["NAME"] "=" ENVIRON["VALUE"]}' "$file" >"$copy"
    mv "$copy" "$file"
    made+=("$1")
}

give MINIO_ROOT_USER "root-$(random 4)"
give MINIO_ACCESS_KEY_ID "search-$(random 4)"
give ETL_MINIO_ACCESS_KEY_ID "etl-$(random 4)"
give MILVUS_MINIO_ACCESS_KEY_ID "milvus-$(random 4)"
give GF_SECURITY_ADMIN_USER admin
for name in MINIO_ROOT_PASSWORD MINIO_SECRET_ACCESS_KEY ETL_MINIO_SECRET_ACCESS_KEY MILVUS_MINIO_SECRET_ACCESS_KEY \
    UI_API_KEY ETL_API_KEY SEARCH_API_KEY ADMIN_API_KEY \
    ELASTIC_PASSWORD KIBANA_SYSTEM_PASSWORD KIBANA_ENCRYPTION_KEY KIBANA_SAVED_OBJECTS_KEY FLUENT_BIT_PASSWORD \
    GRAFANA_READER_PASSWORD ELASTICSEARCH_EXPORTER_PASSWORD GF_SECURITY_ADMIN_PASSWORD; do
    give "$name" "$(random 20)"
done
# Milvus takes passwords of at most 72 characters, with letters and digits and signs among them.
for name in MILVUS_ROOT_PASSWORD MILVUS_PASSWORD ETL_MILVUS_PASSWORD; do give "$name" "Aa1-$(random 16)"; done
keys="page:search:$(sha256 "$(value UI_API_KEY)"),loader:encode:$(sha256 "$(value ETL_API_KEY)")"
keys+=",clients:search:$(sha256 "$(value SEARCH_API_KEY)"),operator:admin:$(sha256 "$(value ADMIN_API_KEY)")"
give API_KEYS "$keys"

if [ ${#made[@]} -eq 0 ]; then echo "secrets: $file has them all"; else echo "secrets: wrote ${#made[@]} into $file"; fi
