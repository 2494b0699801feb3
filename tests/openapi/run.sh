#!/usr/bin/env bash
# Tests a running product against its own description with schemathesis: no 5xx, nothing that the
# description does not allow, nothing refused that it does allow.
#
#   tests/openapi/run.sh [seconds]      60 without; further words go to schemathesis
#
# Starts the product (embedded, or on DATABASE_URL and REDIS_URL where they are set) and a fake upstream, signs
# people up, runs schemathesis and stops what it started. BINARIES names the folder of built binaries, VENV that
# of a Python environment (made where there is none), REPORT a folder for the full report.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-${SECONDS_TO_RUN:-60}}
shift || true
version=4.32.5
binaries=${BINARIES:-target/debug}
[ -n "${BINARIES:-}" ] || cargo build --quiet --package graphql --package tests --bin graphql --bin fake-upstream

venv=${VENV:-target/schemathesis-$version}
if [ ! -x "$venv/bin/schemathesis" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi

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
export TARGET="http://127.0.0.1:$app_port" CREDENTIALS="$work/credentials.json"
for _ in $(seq 300); do
    curl -fs "$TARGET/readyz" >/dev/null && break
    sleep 0.1
done

python3 tests/contract/setup.py "$TARGET" "http://127.0.0.1:$fake_port" >"$CREDENTIALS" 2>"$work/setup.log"
python3 tests/openapi/prepare.py "$TARGET" "http://127.0.0.1:$fake_port"
tests/openapi/viewer.sh "$TARGET"

status=0
root=$PWD
case $venv in /*) ;; *) venv=$root/$venv ;; esac
# It keeps notes where it runs.
(cd "$work" && SCHEMATHESIS_HOOKS="$root/tests/openapi/hooks.py" \
    "$venv/bin/schemathesis" --config-file "$root/tests/openapi/schemathesis.toml" run \
    "$TARGET/openapi.json" --max-time "$seconds" "$@" >"$work/out.txt" 2>&1) || status=$?
tail -n "${LINES_SHOWN:-400}" "$work/out.txt"
if [ -n "${REPORT:-}" ]; then
    mkdir -p "$REPORT"
    cp "$work/out.txt" "$work/app.log" "$work/setup.log" "$REPORT/"
fi
if [ "$status" -ne 0 ]; then
    tail -n 40 "$work/app.log"
fi
exit "$status"
