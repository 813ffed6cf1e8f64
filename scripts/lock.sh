#!/usr/bin/env bash
# Writes the requirements files from pyproject.toml: every package with its version and hashes.
# Versions that are locked stay, as far as pyproject.toml allows them; UPGRADE=1 takes the newest.
# torch stays out (see requirements-torch.txt); what it needs besides is named here, so that it is locked too.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s\n' filelock fsspec jinja2 networkx sympy setuptools typing-extensions >"$work/torch-needs.in"
echo "torch ; python_version < '3'" >"$work/no-torch"

# uv prefers the versions that it finds in the file it writes.
begin_with() { [ -n "${UPGRADE:-}" ] || [ ! -e "$1" ] || cp "$1" "$2"; }

compile() {
    local out=$1
    shift
    begin_with "$out" "$work/$out"
    uv pip compile --quiet --no-header --no-annotate --generate-hashes --python-version 3.11 \
        --override "$work/no-torch" "$@" pyproject.toml "$work/torch-needs.in" -o "$work/$out"
    { echo "# Made by \`make lock\` from pyproject.toml; do not edit."; cat "$work/$out"; } >"$out"
}

compile requirements-dev.txt --extra ui --extra alert_webhook --extra local --extra openvino --extra dev
grep -v '^#' requirements-dev.txt | sed -nE 's/^([a-z0-9._-]+==[^ ]+).*/\1/p' >"$work/pins"
compile requirements.txt -c "$work/pins"
compile requirements-local.txt --extra ui --extra local -c "$work/pins"

# The images of the page, the loader and the alert webhook have neither torch nor the service's packages.
alone() {
    local extra=$1 out=$2
    python - "$extra" >"$work/$extra.in" <<'PY'
import sys, tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")
PY
    begin_with "$out" "$work/$extra.txt"
    uv pip compile --quiet --no-header --no-annotate --generate-hashes --python-version 3.11 -c "$work/pins" \
        "$work/$extra.in" -o "$work/$extra.txt"
    { echo "# Made by \`make lock\` from pyproject.toml; do not edit."; cat "$work/$extra.txt"; } >"$out"
}

alone ui requirements-ui.txt
alone etl requirements-etl.txt
alone openvino requirements-openvino.txt
alone alert_webhook monitoring/alert_webhook/requirements.txt
