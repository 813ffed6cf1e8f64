#!/usr/bin/env bash
# Writes a bill of material (CycloneDX, JSON) of each image's Python packages into build/sbom, from the lock files that
# the images are built from; what the base images bring is theirs to tell.
#   scripts/sbom.sh [service] [ui] [etl] [alert-webhook]      all where none is named
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=${BIN:-.venv/bin}
VERSION=${VERSION:-$(sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)}
OUT=${OUT:-build/sbom}
mkdir -p "$OUT"

locks() {
    case $1 in
        service) cat requirements.txt requirements-torch.txt ;;
        ui | etl) cat "requirements-$1.txt" ;;
        alert-webhook) cat monitoring/alert_webhook/requirements.txt ;;
        *) echo "sbom: there is no image '$1': service, ui, etl or alert-webhook" >&2; return 2 ;;
    esac
}

[ $# -gt 0 ] || set -- service ui etl alert-webhook
for image in "$@"; do
    file=$OUT/$image-$VERSION.cdx.json
    locks "$image" | "$BIN/cyclonedx-py" requirements - --output-reproducible --output-format JSON --output-file "$file"
    echo "wrote $file"
done
