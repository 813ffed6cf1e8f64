# Sourced by the init scripts: one call to Elasticsearch or Kibana as `elastic`, unless AS says "user:password".
#   call METHOD ADDRESS [curl's options]     prints the answer; where it is no success, tells it and ends the script
# Passwords go to curl through a file descriptor: arguments are for everybody to see.
call() {
    local method=$1 address=$2 user=${AS:-elastic:$ELASTIC_PASSWORD} answer status
    shift 2
    user=${user//\\/\\\\}
    user=${user//\"/\\\"}
    answer=$(curl --silent --show-error --noproxy '*' --max-time 60 --retry 10 --retry-delay 2 --retry-connrefused \
        --config <(printf 'user = "%s"\n' "$user") --request "$method" --write-out '\n%{http_code}' "$@" "$address") ||
        { echo "init: no answer from $address" >&2; return 1; }
    status=${answer##*$'\n'}
    answer=${answer%$'\n'*}
    case $status in
        2??) printf '%s\n' "$answer" ;;
        *) echo "init: $method $address answered $status: ${answer:0:1000}" >&2; return 1 ;;
    esac
}

# A text as JSON writes it, quotes included.
json() {
    local text=${1//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}
