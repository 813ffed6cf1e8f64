#!/usr/bin/env bash
# Runs the suite: scripts/test.sh [arguments of pytest]. With arguments: just those tests, one at a time.
# Tests that hurt a running system, or look at how long it takes, have the machine to themselves; before them all others
# run two at a time, each folder's in one process, for they share servers: the longest first.
set -u
cd "$(dirname "$0")/.."
pytest=(.venv/bin/python -m pytest)
[ $# -eq 0 ] || exec "${pytest[@]}" "$@"

alone=(tests/benchmarks tests/fuzz tests/image tests/local tests/monitoring tests/reliability tests/service tests/ui)
longest=(tests/etl tests/docs tests/catalog)
shopt -s nullglob
rest=(tests/test_*.py)
for folder in tests/*/; do
    folder=${folder%/}
    [[ " ${alone[*]} ${longest[*]} tests/__pycache__ " = *" $folder "* ]] || rest+=("$folder")
done

first=$(mktemp)
trap 'rm -f "$first"' EXIT
echo "1 of 2: tests that run beside others"
"${pytest[@]}" -n 2 --dist loadscope --no-loadscope-reorder "${longest[@]}" "${rest[@]}" | tee -i "$first"
failed=${PIPESTATUS[0]}
echo "2 of 2: tests that run alone"
"${pytest[@]}" "${alone[@]}" || failed=$?
echo "1 of 2, told again: $(tail -n 1 "$first")"
grep -E '^(SKIPPED|FAILED|ERROR)' "$first"
exit "$failed"
