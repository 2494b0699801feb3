#!/usr/bin/env bash
# Runs the vendors' official SDKs, pinned, against a running product whose accounts are fake upstreams.
#
#   tests/clients/run.sh [part…]      parts: names of scripts without their ending; all without one
#
# Makes a Python environment and node_modules in a temporary folder (CLIENTS_DIR keeps them for the next run),
# starts the product and the fakes, runs every script, prints a table, and stops what it started.
# BINARIES names the folder of built binaries.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/tests/clients
. tests/serve.sh
clients=${CLIENTS_DIR:-$work/clients}

mkdir -p "$clients"
if ! cmp -s "$here/python/requirements.txt" "$clients/requirements.txt"; then
    python3 -m venv "$clients/venv"
    "$clients/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/python/requirements.txt"
    cp "$here/python/requirements.txt" "$clients/requirements.txt"
fi
if ! cmp -s "$here/node/package-lock.json" "$clients/node/installed.json"; then
    mkdir -p "$clients/node"
    cp "$here/node/package.json" "$here/node/package-lock.json" "$clients/node/"
    (cd "$clients/node" && npm ci --silent --ignore-scripts --no-audit --no-fund)
    cp "$here/node/package-lock.json" "$clients/node/installed.json"
fi
cp "$here"/node/*.mjs "$clients/node/"

start_product password-of-the-admin
python3 "$here/setup.py" "$app" "$fake" >"$work/env"
set -a
# shellcheck source=/dev/null
. "$work/env"
NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 AWS_EC2_METADATA_DISABLED=true PYTHONDONTWRITEBYTECODE=1
set +a
status=0
wanted() { [ "$#" -eq 1 ] || [[ " ${*:2} " == *" $1 "* ]]; }
for script in "$here"/python/*_client.py "$clients"/node/*_client.mjs; do
    name=$(basename "${script%.*}")
    name=${name%_client}
    wanted "$name" "$@" || continue
    case $script in
        *.py) timeout 180 "$clients/venv/bin/python" -W ignore "$script" || status=1 ;;
        *) timeout 180 node --no-warnings "$script" || status=1 ;;
    esac
done
if [ "$status" -ne 0 ]; then
    tail -n 30 "$work/app.log"
fi
exit "$status"
