#!/usr/bin/env bash
# Installs the programs that the tests start and that no Python package brings. Says what it could not install: the
# tests that need it then say so at the end of the run.
set -u
missing=()
[ -x /usr/bin/chromium ] || missing+=(chromium)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]} ..."
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null 2>&1 ||
        echo "could not install ${missing[*]}"
else
    echo "not installed: ${missing[*]} (needs root and apt-get)"
fi
exit 0
