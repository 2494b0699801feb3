#!/usr/bin/env bash
# Tests a running product against its own description with schemathesis: no 5xx, nothing that the
# description does not allow, nothing refused that it does allow.
#
#   tests/openapi/run.sh [seconds]      60 without; further words go to schemathesis (--seed of a run repeats it)
#
# Starts the product (embedded, or on DATABASE_URL and REDIS_URL where they are set) and a fake upstream, signs
# people up, runs schemathesis and stops what it started. BINARIES names the folder of built binaries, VENV that
# of a Python environment (made where there is none), REPORT a folder for the full report.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-${SECONDS_TO_RUN:-60}}
shift || true
version=4.32.5
. tests/serve.sh

venv=${VENV:-target/schemathesis-$version}
if [ ! -x "$venv/bin/schemathesis" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
fi

start_product zhiweijz2025
export TARGET=$app CREDENTIALS=$work/credentials.json
python3 tests/contract/setup.py "$app" "$fake" >"$CREDENTIALS" 2>"$work/setup.log"
python3 tests/openapi/prepare.py "$app" "$fake"
tests/openapi/viewer.sh "$app"

status=0
root=$PWD
case $venv in /*) ;; *) venv=$root/$venv ;; esac
# It keeps notes where it runs.
(cd "$work" && SCHEMATHESIS_HOOKS="$root/tests/openapi/hooks.py" \
    "$venv/bin/schemathesis" --config-file "$root/tests/openapi/schemathesis.toml" run \
    "$TARGET/openapi.json" --max-time "$seconds" "$@" >"$work/out.txt" 2>&1) || status=$?
# What was wrong, and the sums; the lists of warnings between them are in the full report.
sed -n '/= FAILURES =/,/= WARNINGS =/p; /= ERRORS =/,/= WARNINGS =/p; /= SUMMARY =/,$p' "$work/out.txt"
if [ -n "${REPORT:-}" ]; then
    mkdir -p "$REPORT"
    cp "$work/out.txt" "$work/app.log" "$work/setup.log" "$REPORT/"
fi
if [ "$status" -ne 0 ]; then
    tail -n 40 "$work/app.log"
fi
exit "$status"
