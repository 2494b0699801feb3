#!/usr/bin/env bash
# Audits the real binary from outside: GraphQL over HTTP, graphql-transport-ws and graphql-sse with the reference
# clients; Apollo Client, urql and relay-compiler as they come; GraphiQL in a headless Chromium. Starts what it needs on free ports and stops it again.
#
#   tests/graphql_audit/run.sh            builds the binary first
#   BINARIES=target/release tests/graphql_audit/run.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

for tool in node npm curl; do
    command -v $tool >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
done
: "${CHROMIUM:=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}"
[ -n "$CHROMIUM" ] || { echo "no Chromium is installed" >&2; exit 1; }
export CHROMIUM

. tests/serve.sh
password=password-of-the-audit
start_product "$password"
cd tests/graphql_audit
npm ci --no-audit --no-fund --silent

token=$(curl -fsS "$app/graphql" -H 'content-type: application/json' \
    -d "{\"query\":\"mutation { signIn(input: { username: \\\"admin\\\", password: \\\"$password\\\" }) { token } }\"}" |
    node -e 'process.stdout.write(JSON.parse(require("fs").readFileSync(0)).data.signIn.token)')

ticks='subscription { usageTotals(every: 1) { at seconds totalRequests } }'
node audit.mjs "$app/graphql" "$token" "$ticks"
node clients.mjs "$app/graphql" "$token"
echo "GraphiQL in Chromium:"
node browser.mjs "$app" admin "$password" '{ viewer { username role } }' "$ticks"
