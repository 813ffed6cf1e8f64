#!/usr/bin/env bash
# Looks through the service's image: no root, no secret, no compiler, no test, no page, no CUDA. Ends with 1 and says why.
#   contents.sh docker|podman IMAGE [env file whose secrets must not be in the history]
set -euo pipefail
program=$1 image=$2 env_file=${3:-}
fail() { echo "FAILED: $*"; exit 1; }

history=$("$program" history --no-trunc "$image")
if [ -n "$env_file" ]; then
    while read -r secret; do
        ! grep -qF "$secret" <<<"$history" || fail "a secret is in the history"
    done < <(grep -E '(PASSWORD|SECRET_ACCESS_KEY|API_KEY)=.' "$env_file" | cut -d= -f2)
fi
! grep -qiE '(password|secret|token|proxy)=' <<<"$history" || fail "the history tells too much"
found=$("$program" run --rm --network none --entrypoint sh "$image" -c '
    [ "$(id -u)" != 0 ] || echo "runs as root"
    find / -xdev -type f \( -name gcc -o -name "gcc-[0-9]*" -o -name cc1 -o -name clang -o -name nvcc -o -name ld -o -name make \) \
        -not -path "/proc/*" -not -path "/var/lib/dpkg/*"
    find / -xdev \( -name ".env*" -o -name "id_rsa*" -o -name .netrc -o -name pip.conf \) -not -path "/proc/*"
    find /bento -name "test_*" -o -name "tests" -o -name ui
    find /app -name "libcud*" -o -name "libcublas*"' 2>/dev/null)
[ -z "$found" ] || fail "in the image: $found"
echo "not root; no secret, compiler, test, page or CUDA in it"
