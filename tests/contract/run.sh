#!/usr/bin/env bash
# Calls every documented endpoint on a running product and compares the answers with the documents.
#
#   tests/contract/run.sh [--scaled] [system…]
#
# Systems: crs commercial massrouter newapi ledger; all without one. Starts the product and a fake upstream,
# makes users, keys and accounts, writes the checker's configuration, runs it, and stops what it started.
# The product is embedded; with --scaled it is on a PostgreSQL and a Redis that are started for this run
# alone, or on those that DATABASE_URL and REDIS_URL name.
# CONTRACT_DIR names the folder of check_contract.py; BINARIES that of built binaries.
set -euo pipefail
cd "$(dirname "$0")/../.."
scaled=
if [ "${1:-}" = --scaled ]; then
    scaled=1
    shift
fi
contract=${CONTRACT_DIR:-../shared/contract}
if [ ! -f "$contract/check_contract.py" ]; then
    echo "skipped: no contract checker at $contract (set CONTRACT_DIR)"
    exit 0
fi
binaries=${BINARIES:-target/debug}
[ -n "${BINARIES:-}" ] || cargo build --quiet --package graphql --package tests --bin graphql --bin fake-upstream

work=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
# PostgreSQL refuses to run as root.
as_owner() {
    if [ "$(id -u)" -eq 0 ]; then
        local owner=nobody
        id -u postgres >/dev/null 2>&1 && owner=postgres
        setpriv --reuid="$owner" --regid="$(id -g "$owner")" --clear-groups "$@"
    else
        "$@"
    fi
}
wait_for() {
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.1
    done
    echo "nothing answers on port $1" >&2
    exit 1
}
if [ -n "$scaled" ] && [ -z "${DATABASE_URL:-}" ]; then
    # Debian keeps the server's programs out of the path.
    bin=$(dirname "$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)")
    mkdir -m 777 "$work/pg"
    chmod 755 "$work"
    pg_port=$(port)
    as_owner "$bin/initdb" --pgdata="$work/pg/data" --username=postgres --auth=trust --no-sync >"$work/initdb.log"
    as_owner "$bin/postgres" -D "$work/pg/data" -p "$pg_port" -k "$work/pg" -c listen_addresses=127.0.0.1 \
        -c fsync=off >"$work/pg/log" 2>&1 &
    pids+=($!)
    wait_for "$pg_port"
    export DATABASE_URL="postgres://postgres@127.0.0.1:$pg_port/postgres"
fi
if [ -n "$scaled" ] && [ -z "${REDIS_URL:-}" ]; then
    redis_port=$(port)
    redis-server --port "$redis_port" --bind 127.0.0.1 --save "" --appendonly no --dir "$work" >"$work/redis.log" 2>&1 &
    pids+=($!)
    wait_for "$redis_port"
    export REDIS_URL="redis://127.0.0.1:$redis_port"
fi
if [ -n "$scaled" ]; then
    export JWT_SECRET="${JWT_SECRET:-a secret of the contract run, long enough to be one}"
    export ENCRYPTION_KEY="${ENCRYPTION_KEY:-$(printf '11%.0s' $(seq 32))}"
fi

app_port=$(port)
fake_port=$(port)
"$binaries/fake-upstream" "127.0.0.1:$fake_port" >"$work/fake.log" 2>&1 &
pids+=($!)
ADMIN_PASSWORD=zhiweijz2025 LISTEN="127.0.0.1:$app_port" DATA_DIR="$work/data" LOG=warn \
    "$binaries/graphql" >"$work/app.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do
    curl -fs "http://127.0.0.1:$app_port/readyz" >/dev/null && break
    sleep 0.1
done

python3 tests/contract/setup.py "http://127.0.0.1:$app_port" "http://127.0.0.1:$fake_port" >"$work/creds.json"
systems=$(IFS=,; echo "$*")
status=0
python3 "$contract/check_contract.py" --config "$work/creds.json" --strict --timeout 30 \
    --management "http://127.0.0.1:$app_port" --relay "http://127.0.0.1:$app_port" \
    ${systems:+--systems "$systems"} >"$work/report.txt" 2>&1 || status=$?
grep -v '^PASS' "$work/report.txt" || true
if [ "$status" -ne 0 ]; then
    tail -n 30 "$work/app.log"
fi
exit "$status"
