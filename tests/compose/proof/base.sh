#!/usr/bin/env bash
# python:3.11-slim from Debian's packages, for machines that reach no registry: writes it as a tar. `docker import` and
# `podman import` take that.
#   base.sh FOLDER     the folder keeps it for the next time
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
root=$folder/root
if [ ! -e "$folder/made" ]; then
    rm -rf "$root"
    debootstrap --variant=minbase --include=python3,python3-pip,python3-venv,ca-certificates bookworm "$root" \
        >"$folder/debootstrap.log" 2>&1 || { tail -n 3 "$folder/debootstrap.log" >&2; exit 1; }
    ln -sf python3.11 "$root/usr/bin/python"
    rm -rf "$root/usr/lib/python3.11/EXTERNALLY-MANAGED" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
    touch "$folder/made"
fi
# Behind a proxy that speaks for everybody, its certificate is needed inside too.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
tar -C "$root" -c .
