#!/usr/bin/env bash
# Calls every documented endpoint on a running product and compares the answers with the documents.
#
#   tests/contract/run.sh [system…]      systems: crs commercial massrouter newapi ledger; all without one
#
# Starts the product (embedded, or on DATABASE_URL and REDIS_URL where they are set) and a fake upstream,
# makes users, keys and accounts, writes the checker's configuration, runs it, and stops what it started.
# CONTRACT_DIR names the folder of check_contract.py; BINARIES that of built binaries.
set -euo pipefail
cd "$(dirname "$0")/../.."
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
