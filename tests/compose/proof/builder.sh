#!/usr/bin/env bash
# The service's image with another builder than docker: built, looked through, started by itself, searched. As root,
# ten minutes on two cores. podman starts what buildah built: they share their images.
#   make image-proof BACKEND=podman|buildah     PROOF_DIR=folder  TORCH_WHEEL=address  KEEP=1 (keeps the image)
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=tests/compose/proof
BACKEND=${BACKEND:-podman}
folder=${PROOF_DIR:-.cache/compose-proof}
mkdir -p "$folder/podman"
folder=$(cd "$folder" && pwd)
export BACKEND BUILD_NETWORK=host CONTAINERS_CONF=$folder/podman/containers.conf CONTAINERS_STORAGE_CONF=$folder/podman/storage.conf
# A host without systemd, where root may not raise its own limits.
cat >"$CONTAINERS_CONF" <<CONF
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
CONF
cat >"$CONTAINERS_STORAGE_CONF" <<CONF
[storage]
driver = "overlay"
runroot = "$folder/podman/run"
graphroot = "$folder/podman/storage"
CONF
# All runs on the host's network or on none: podman changes no rule of the host's.
ending() {
    [ -n "${KEEP:-}" ] || podman system reset --force >/dev/null 2>&1 || true
    umount "$folder/podman/storage/overlay" 2>/dev/null || true
}
trap ending EXIT
say() { echo "[$(date -u +%T)] $*"; }

podman image exists python:3.11-slim || { $here/base.sh "$folder/base" | podman import - python:3.11-slim >/dev/null 2>&1; }
begun=$SECONDS
make --no-print-directory image IMAGES=service >"$folder/$BACKEND.log" 2>&1 || { say "FAILED: make image: $folder/$BACKEND.log"; exit 1; }
image=fashion-search/service:$(sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)
say "make image IMAGES=service BACKEND=$BACKEND: $((SECONDS - begun)) s, $($BACKEND --version)"
podman images --format '  {{.Repository}}:{{.Tag}} {{.Size}}' | grep /service
$here/contents.sh podman "$image"
.venv/bin/python -m tests.compose.proof.alone podman "$image"
say "all seen"
