#!/usr/bin/env bash
# Finds Docker Compose v2, or unpacks it from Debian's package into .cache/compose; prints its path. No daemon is needed
# to check compose files. Debian has it since trixie: an older machine takes the package from there with settings of
# apt's own in a folder apart, so that no other package of that suite can get in.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$PWD/.cache/compose
for found in "$folder/docker-compose" {/usr/local,/usr}/{lib,libexec}/docker/cli-plugins/docker-compose "$HOME/.docker/cli-plugins/docker-compose"; do
    [ -x "$found" ] && { echo "$found"; exit 0; }
done
command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo "compose-program: needs apt-get" >&2; exit 1; }
mkdir -p "$folder"/apt/{state/lists/partial,cache/archives/partial}
cd "$folder/apt"
: >status
mirror=$({ cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
    sed -nE 's/^URIs: *([^ ]*\/debian)\/?$/\1/p; s/^deb .*(http[^ ]*\/debian)\/? .*/\1/p' | head -n 1)
[ -n "$mirror" ] || { echo "compose-program: this machine names no Debian mirror" >&2; exit 1; }
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" >sources.list
cat >apt.conf <<CONF
Dir::State "$PWD/state";
Dir::State::status "$PWD/status";
Dir::Cache "$PWD/cache";
Dir::Etc::sourcelist "$PWD/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "root";
CONF
export APT_CONFIG=$PWD/apt.conf
{ apt-get update -qq && apt-get download -qq docker-compose; } >log 2>&1 || { tail -n 3 log >&2; exit 1; }
dpkg -x docker-compose_*.deb unpacked
mv unpacked/usr/libexec/docker/cli-plugins/docker-compose "$folder/docker-compose"
cd "$folder" && rm -rf apt
echo "$folder/docker-compose"
