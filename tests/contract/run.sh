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
. tests/serve.sh

# PostgreSQL refuses to run as root.
as_owner=()
if [ "$(id -u)" -eq 0 ]; then
    owner=nobody
    id -u postgres >/dev/null 2>&1 && owner=postgres
    as_owner=(setpriv --reuid="$owner" --regid="$(id -g "$owner")" --clear-groups)
fi
if [ -n "$scaled" ] && [ -z "${DATABASE_URL:-}" ]; then
    # Debian keeps the server's programs out of the path.
    bin=$(dirname "$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)")
    mkdir -m 777 "$work/pg"
    chmod 755 "$work"
    port=$(free_port)
    "${as_owner[@]}" "$bin/initdb" --pgdata="$work/pg/data" --username=postgres --auth=trust --no-sync >"$work/initdb.log"
    background pg.log "${as_owner[@]}" "$bin/postgres" -D "$work/pg/data" -p "$port" -k "$work/pg" \
        -c listen_addresses=127.0.0.1 -c fsync=off
    wait_for_port "$port"
    export DATABASE_URL="postgres://postgres@127.0.0.1:$port/postgres"
fi
if [ -n "$scaled" ] && [ -z "${REDIS_URL:-}" ]; then
    port=$(free_port)
    background redis.log redis-server --port "$port" --bind 127.0.0.1 --save "" --appendonly no --dir "$work"
    wait_for_port "$port"
    export REDIS_URL="redis://127.0.0.1:$port"
fi
if [ -n "$scaled" ]; then
    export JWT_SECRET="${JWT_SECRET:-a secret of the contract run, long enough to be one}"
    export ENCRYPTION_KEY="${ENCRYPTION_KEY:-$(printf '11%.0s' $(seq 32))}"
fi

start_product zhiweijz2025
python3 tests/contract/setup.py "$app" "$fake" >"$work/creds.json"
systems=$(IFS=,; echo "$*")
status=0
python3 "$contract/check_contract.py" --config "$work/creds.json" --strict --timeout 30 \
    --management "$app" --relay "$app" \
    ${systems:+--systems "$systems"} >"$work/report.txt" 2>&1 || status=$?
grep -v '^PASS' "$work/report.txt" || true
if [ "$status" -ne 0 ]; then
    tail -n 30 "$work/app.log"
fi
exit "$status"
