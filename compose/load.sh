#!/usr/bin/env bash
# Runs the loader's container on what SOURCE names: a folder, an archive or a table of this machine, or an address.
#   SOURCE=... DO=run|retry|status|... ENV_FILE=... load.sh COMPOSE COMMAND WITH OPTIONS -- [arguments of the loader]
# Without both it loads ETL_FOLDER of the env file, by default the sample; DO alone is run without a source.
set -euo pipefail
value() { sed -n "s/^$1=//p" "${ENV_FILE:-compose/.env}" | tail -n 1; }
command=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do command+=("$1"); shift; done
[ $# -eq 0 ] || shift
case ${SOURCE:-} in
    '')
        what=()
        if [ -z "${DO:-}" ]; then
            what=(/catalogue)
            # Inside the container every folder has one name.
            folder=${ETL_FOLDER:-$(value ETL_FOLDER)} name=${ETL_SOURCE_NAME:-$(value ETL_SOURCE_NAME)}
            export ETL_SOURCE_NAME=${name:-$(basename "${folder:-sample}")}
        fi ;;
    *://*) what=("$SOURCE") ;;
    *)
        [ -e "$SOURCE" ] || { echo "load: $SOURCE is not there" >&2; exit 2; }
        path=$(realpath "$SOURCE")
        if [ -d "$path" ]; then
            what=(/catalogue)
            export ETL_FOLDER=$path ETL_SOURCE_NAME=${ETL_SOURCE_NAME:-${path##*/}}
        else
            what=("/catalogue/${path##*/}")
            export ETL_FOLDER=${path%/*}
        fi ;;
esac
exec "${command[@]}" etl "${DO:-run}" "${what[@]}" "$@"
