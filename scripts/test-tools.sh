#!/usr/bin/env bash
# Installs the programs that the tests start and that no Python package brings. Says what it could not install: the
# tests that need it then say so at the end of the run.
set -u
export PATH="$PATH:/usr/sbin"
declare -A packages=(
    [chromium]=chromium # the search page in a real browser
    [prometheus]=prometheus [prometheus-alertmanager]=prometheus-alertmanager
    [prometheus-node-exporter]=prometheus-node-exporter
    [prometheus-nginx-exporter]=prometheus-nginx-exporter [etcd]=etcd-server
    [nginx]=nginx-light # real access and error logs
    [ruby]=ruby         # its regular expressions are Onigmo's, as Fluent Bit's
    [lua5.1]=lua5.1     # runs Fluent Bit's filter
    [faketime]=faketime # a clock that jumps
    [curl]=curl         # asks the instances behind nginx whether they are ready
)
missing=()
for program in "${!packages[@]}"; do
    command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
if [ ${#missing[@]} -eq 0 ]; then
    :
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]} ..."
    export DEBIAN_FRONTEND=noninteractive
    # The tests start these programs themselves, on ports of their own: no package may start a daemon now or at boot.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
        echo "could not install ${missing[*]}"
    if command -v systemctl >/dev/null; then
        for package in "${missing[@]}"; do
            package=${package%-light}
            systemctl disable --quiet "${package%-server}" >/dev/null 2>&1
        done
    fi
else
    echo "not installed: ${missing[*]} (needs root and apt-get)"
fi
scripts/compose-program.sh || echo "could not get docker compose: its tests say so"
exit 0
