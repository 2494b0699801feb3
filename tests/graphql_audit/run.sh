#!/usr/bin/env bash
# Audits the real binary from outside: GraphQL over HTTP, graphql-transport-ws and graphql-sse with the reference
# clients, and GraphiQL in a headless Chromium. Starts what it needs on free ports and stops it again.
#
#   tests/graphql_audit/run.sh            builds the binary first
#   BINARIES=target/release tests/graphql_audit/run.sh
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)

for tool in node npm curl; do
    command -v $tool >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
done
: "${CHROMIUM:=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}"
[ -n "$CHROMIUM" ] || { echo "no Chromium is installed" >&2; exit 1; }
export CHROMIUM

[ -n "${BINARIES:-}" ] || (cd "$root" && cargo build --quiet --package graphql --bin graphql)
binary=$(cd "$root" && realpath "${BINARIES:-target/debug}/graphql")
npm ci --no-audit --no-fund --silent

work=$(mktemp -d)
server=
stop() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap stop EXIT

port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
base="http://127.0.0.1:$port"
password="audit-$port-password"
# From an empty folder: no `.env` of this tree is read, and nothing is left in it.
(cd "$work" && exec env -i PATH="$PATH" DATA_DIR="$work/data" LISTEN="127.0.0.1:$port" ADMIN_USERNAME=admin \
    ADMIN_PASSWORD="$password" "$binary" >"$work/log" 2>&1) &
server=$!
for _ in $(seq 100); do
    curl -fsS -o /dev/null "$base/readyz" 2>/dev/null && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
if ! curl -fsS -o /dev/null "$base/readyz"; then
    cat "$work/log" >&2
    exit 1
fi

token=$(curl -fsS "$base/graphql" -H 'content-type: application/json' \
    -d "{\"query\":\"mutation { signIn(input: { username: \\\"admin\\\", password: \\\"$password\\\" }) { token } }\"}" |
    node -e 'process.stdout.write(JSON.parse(require("fs").readFileSync(0)).data.signIn.token)')

ticks='subscription { usageTotals(every: 1) { at seconds totalRequests } }'
node audit.mjs "$base/graphql" "$token" "$ticks"
echo "GraphiQL in Chromium:"
node browser.mjs "$base" admin "$password" '{ viewer { username role } }' "$ticks"
