#!/usr/bin/env bash
# What Prometheus sees of the composed system. Ends with 1 at what is not as it should be.
#   watched.sh PROMETHEUS targets INSTANCES     every part and every instance of the service gives metrics; rules are evaluated
#   watched.sh PROMETHEUS alert CONTAINER       an alert reaches the webhook, which logs it (dry mode)
set -euo pipefail
prometheus=$1
fail() { echo "FAILED: $*"; exit 1; }
ask() { curl -fsS -m 10 --get "$prometheus/api/v1/$1" "${@:2}" 2>/dev/null; }
value() {
    ask query --data-urlencode "query=$1" |
        python3 -c 'import json, sys; found = json.load(sys.stdin)["data"]["result"]; print(found[0]["value"][1] if found else 0)'
}
jobs_of() {
    ask query --data-urlencode "query=$1" |
        python3 -c 'import json, sys; print(*sorted(r["metric"]["job"] for r in json.load(sys.stdin)["data"]["result"]))'
}
wait_for() {
    local end=$((SECONDS + $3))
    until [ "$(value "$1" || true)" = "$2" ]; do
        [ $SECONDS -lt $end ] || fail "$1 is not $2 but $(value "$1"); down: $(jobs_of 'up == 0')"
        sleep 2
    done
}

targets() {
    wait_for 'count(up{job="service"} == 1)' "$1" 90
    # Those whose images no package stands in for are down, and only those. The loader comes and goes.
    wait_for 'count(up{job!="etl"} == 0)' 3 60
    wait_for 'count(up{job=~"elasticsearch|fluent_bit|grafana"} == 0)' 3 10
    echo "Prometheus: $(value 'count(up{job="service"} == 1)') instances of the service are up, and" \
        "$(jobs_of 'count by (job) (up{job!="service"} == 1)')"
    wait_for 'count(instance:api_requests:rate5m) > bool 0' 1 90  # a recording rule has written
    echo "cAdvisor: memory of $(value 'count(container_memory_working_set_bytes{name=~".*fashion-search-[0-9]+"})') instances"
    ask rules | python3 -c '
import json, sys
rules = [rule for group in json.load(sys.stdin)["data"]["groups"] for rule in group["rules"]]
wrong = [rule["name"] for rule in rules if rule["health"] == "err"]
assert rules and not wrong, wrong
print("rules:", len(rules), "none fails;", sum(rule["health"] == "ok" for rule in rules), "evaluated")'
}

alert() {
    local end=$((SECONDS + 420)) line
    until line=$(docker logs "$1" 2>&1 | grep -m 1 'dry mode.*TargetDown'); do
        [ $SECONDS -lt $end ] || fail "no alert reached the webhook: $(value 'count(ALERTS{alertstate="firing"})') fire"
        sleep 5
    done
    echo "webhook: $(python3 -c 'import json, sys; print(json.loads(sys.argv[1])["message"])' "$line" | head -n 1)"
}

"$2" "$3"
