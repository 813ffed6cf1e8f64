#!/usr/bin/env bash
# Builds the images: the bento and the service's image from it, the page's, the loader's and the alert webhook's.
#   scripts/image.sh [service] [ui] [etl] [alert-webhook]      all four where none is named
# BACKEND=docker|podman|buildah  VERSION=tag  GPU=1 (CUDA build of torch)  BAKE_MODEL=hub id (into the image)
# PYTHON_IMAGE, TORCH_INDEX, TORCH_WHEEL, BUILD_NETWORK: passed to the recipes; so are HTTP_PROXY, HTTPS_PROXY, NO_PROXY.
# Without a virtual environment docker or podman alone do the same: the bento is built in a container.
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
# buildah keeps no layers unless told so, and would install everything anew each time.
export BUILDAH_LAYERS=true
PROXIES="HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy"
[ -z "${GPU:-}" ] || export TORCH_INDEX=${TORCH_INDEX:-$CUDA_INDEX}
VARIANT=${GPU:+-gpu}

BENTO_VERSION=$VERSION-$(date -u +%Y%m%d%H%M%S)

service() {
    if [ -x "$BIN/bentoml" ]; then with_bentoml; else in_a_container; fi
    exists "fashion-search/service:$VERSION$VARIANT"
}

with_bentoml() {
    export BENTOML_DO_NOT_TRACK=True
    # Of the bentos that are built here one stays, the last.
    [ -n "${BENTOML_HOME:-}" ] || { export BENTOML_HOME=$PWD/build/bentoml; rm -rf "$BENTOML_HOME"; }
    mkdir -p "$BENTOML_HOME"
    "$BIN/bentoml" build --version "$BENTO_VERSION" >/dev/null
    local options=() argument
    while read -r argument; do options+=(--opt "build-arg=$argument"); done \
        < <(arguments PYTHON_IMAGE TORCH_INDEX TORCH_WHEEL BAKE_MODEL $PROXIES)
    [ -z "${BUILD_NETWORK:-}" ] || options+=(--opt "network=$BUILD_NETWORK")
    # A recipe of our own is read only from below the current folder, and BentoML lays it into a temporary one.
    # BentoML reports a failed build and still exits with 0: `exists` looks.
    mkdir -p build/tmp
    TMPDIR=$PWD/build/tmp "$BIN/bentoml" containerize "fashion_search:$BENTO_VERSION" --backend "$BACKEND" \
        --image-tag "fashion-search/service:$VERSION$VARIANT" "${options[@]}"
}

# `bentoml build` in the first stage of the recipe, on what a tar brings in; the bento comes back as a tar. It holds the
# recipe, and what is built from it is what `bentoml containerize` builds.
in_a_container() {
    [ "$BACKEND" != buildah ] || { echo "image: buildah runs no container; it needs $BIN/bentoml, which make image BACKEND=buildah installs" >&2; exit 1; }
    local context=build/in-a-container/context bento=build/in-a-container/bento
    rm -rf build/in-a-container
    mkdir -p "$context/src" "$bento"
    cp requirements.txt "$context/src/"
    build compose/images/service.Dockerfile "$context" PYTHON_IMAGE --target bento --tag "fashion-search/bento:$VERSION"
    tar -c bentofile.yaml README.md service.py requirements.txt requirements-torch.txt api catalog clip_runner environment \
        telemetry compose/images/service.Dockerfile |
        "$BACKEND" run --interactive --rm --network none --env BENTOML_DO_NOT_TRACK=True --env PATH=/app/bin:/usr/bin:/bin \
            "fashion-search/bento:$VERSION" sh -euc '
                mkdir /project && cd /project && tar -x
                bentoml build --version "$1" >&2
                tar -c -C "$(bentoml get "fashion_search:$1" --output path)" .' sh "$BENTO_VERSION" |
        tar -x -C "$bento"
    build "$bento/env/docker/Dockerfile" "$bento" "PYTHON_IMAGE TORCH_INDEX TORCH_WHEEL BAKE_MODEL" \
        --tag "fashion-search/service:$VERSION$VARIANT"
}

# build RECIPE CONTEXT "NAMES of build arguments" [options]
build() {
    local recipe=$1 context=$2 options=() argument
    while read -r argument; do options+=(--build-arg "$argument"); done < <(arguments $3 $PROXIES)
    shift 3
    [ -z "${BUILD_NETWORK:-}" ] || options+=(--network "$BUILD_NETWORK")
    "$BACKEND" build --file "$recipe" "${options[@]}" "$@" "$context"
}

other() { build "$2" . PYTHON_IMAGE --tag "fashion-search/$1:$VERSION"; }

exists() {
    case $BACKEND in
        buildah) buildah inspect --type image "$1" >/dev/null ;;
        *) "$BACKEND" image inspect "$1" >/dev/null ;;
    esac || { echo "image: $1 was not built; the reason is above" >&2; exit 1; }
    echo "built $1"
}

# The bill of material beside it, where the program that writes it is installed: it belongs to developing.
bill() {
    if [ -x "$BIN/cyclonedx-py" ]; then scripts/sbom.sh "$1"; else echo "image: \`make sbom\` writes the bill of material of $1"; fi
}

for part in "${@:-service ui etl alert-webhook}"; do
    for one in $part; do
        case $one in
            service) service ;;
            ui | etl) other "$one" "compose/images/$one.Dockerfile" ;;
            alert-webhook) other "$one" monitoring/alert_webhook/Dockerfile ;;
            *) echo "image: there is no image '$one': service, ui, etl or alert-webhook" >&2; exit 2 ;;
        esac
        bill "$one"
    done
done
