#!/usr/bin/env bash
# Builds the images: the bento and the service's image from it, the page's and the loader's.
#   scripts/image.sh [service] [ui] [etl]      all three where none is named
# BACKEND=docker|podman|buildah  VERSION=tag  GPU=1 (CUDA build of torch)  BAKE_MODEL=hub id (into the image)
# PYTHON_IMAGE, TORCH_INDEX, TORCH_WHEEL, BUILD_NETWORK: passed to the recipes; so are HTTP_PROXY, HTTPS_PROXY, NO_PROXY.
set -euo pipefail
cd "$(dirname "$0")/.."
BACKEND=${BACKEND:-docker}
VERSION=${VERSION:-$(sed -nE 's/^version = "(.*)"/\1/p' pyproject.toml)}
BIN=${BIN:-.venv/bin}
CUDA_INDEX=https://download.pytorch.org/whl/cu130

case $BACKEND in
    docker | podman | buildah) ;;
    *) echo "image: BACKEND is docker, podman or buildah, not '$BACKEND'" >&2; exit 2 ;;
esac
command -v "$BACKEND" >/dev/null || { echo "image: $BACKEND is not installed; set BACKEND to docker, podman or buildah" >&2; exit 1; }
if [ "$BACKEND" = docker ] && ! docker version >/dev/null 2>&1; then
    echo "image: docker answers nothing; start it, or use BACKEND=podman" >&2; exit 1
fi

# Names of build arguments whose values come from the environment: they are given where they are set.
arguments() {
    local name
    for name in "$@"; do
        [ -n "${!name:-}" ] && printf '%s=%s\n' "$name" "${!name}"
    done
    return 0
}
PROXIES="HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy"
[ -z "${GPU:-}" ] || export TORCH_INDEX=${TORCH_INDEX:-$CUDA_INDEX}
VARIANT=${GPU:+-gpu}

service() {
    export BENTOML_DO_NOT_TRACK=True BENTOML_HOME=${BENTOML_HOME:-$PWD/build/bentoml}
    mkdir -p "$BENTOML_HOME"
    "$BIN/bentoml" build --version "$VERSION-$(date -u +%Y%m%d%H%M%S)" >/dev/null
    local options=() argument
    while read -r argument; do options+=(--opt "build-arg=$argument"); done \
        < <(arguments PYTHON_IMAGE TORCH_INDEX TORCH_WHEEL BAKE_MODEL $PROXIES)
    [ -z "${BUILD_NETWORK:-}" ] || options+=(--opt "network=$BUILD_NETWORK")
    # A recipe of our own is read only from below the current folder, and BentoML lays it into a temporary one.
    mkdir -p build/tmp
    TMPDIR=$PWD/build/tmp "$BIN/bentoml" containerize fashion_search:latest --backend "$BACKEND" \
        --image-tag "fashion-search/service:$VERSION$VARIANT" "${options[@]}"
    # BentoML reports a failed build and still exits with 0.
    exists "fashion-search/service:$VERSION$VARIANT"
}

other() {
    local options=() argument
    while read -r argument; do options+=(--build-arg "$argument"); done < <(arguments PYTHON_IMAGE $PROXIES)
    [ -z "${BUILD_NETWORK:-}" ] || options+=(--network "$BUILD_NETWORK")
    "$BACKEND" build --file "compose/images/$1.Dockerfile" --tag "fashion-search/$1:$VERSION" "${options[@]}" .
}

exists() {
    case $BACKEND in
        buildah) buildah inspect --type image "$1" >/dev/null ;;
        *) "$BACKEND" image inspect "$1" >/dev/null ;;
    esac || { echo "image: $1 was not built; the reason is above" >&2; exit 1; }
    echo "built $1"
}

for part in "${@:-service ui etl}"; do
    for one in $part; do
        case $one in
            service) service ;;
            ui | etl) other "$one" ;;
            *) echo "image: there is no image '$one': service, ui or etl" >&2; exit 2 ;;
        esac
    done
done
