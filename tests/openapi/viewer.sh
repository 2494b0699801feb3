#!/usr/bin/env bash
# The viewer at /docs in a real headless Chromium: it shows every operation and one in full, under its policy.
#
#   tests/openapi/viewer.sh BASE
#
# CHROMIUM names the browser.
set -euo pipefail
base=$1
browser=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)}
if [ -z "$browser" ]; then
    echo "skipped: no Chromium"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
show() {
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-proxy-server \
        --user-data-dir="$work/profile" --enable-logging=stderr --virtual-time-budget=10000 --dump-dom "$1" \
        >"$work/dom.html" 2>"$work/console.txt"
}
wants() { grep -q -- "$1" "$work/dom.html" || { echo "the viewer shows no $1"; exit 1; }; }

operations=$(curl -fs "$base/openapi.json" | python3 -c '
import json, sys
methods = ("get", "post", "put", "patch", "delete")
print(sum(method in item for item in json.load(sys.stdin)["paths"].values() for method in methods))')
show "$base/docs"
shown=$(grep -o '<span class="path">' "$work/dom.html" | wc -l)
[ "$shown" = "$operations" ] || { echo "$shown operations shown, $operations described"; exit 1; }
show "$base/docs#ledgerPostApiAdminAuthLogin"
for what in 'Admin login' '/api/admin/auth/login' 'Try it' 'Example: documented' 'lastLoginAt' 'aria-current="page"'; do
    wants "$what"
done
if grep -iE 'content.security.policy|uncaught|refused to' "$work/console.txt"; then
    echo "the browser complained"
    exit 1
fi
echo "viewer: $shown operations shown"
