#!/usr/bin/env bash
# Measures the management side and prints a table: cold start to the first answered query, resident memory when idle, and
# requests per second of three GraphQL lists over 10,000 keys on PostgreSQL next to the same SQL alone (pgbench).
#
#   tests/bench/product.sh               everything
#   KEYS=1000 SECONDS_EACH=3 STARTS=3 tests/bench/product.sh
#
# NO_BUILD=1 takes the release binaries as they are. What is not installed is left out with a visible word.
set -euo pipefail
cd "$(dirname "$0")/../.."

KEYS=${KEYS:-10000}
STARTS=${STARTS:-5}
SECONDS_EACH=${SECONDS_EACH:-8}
PORT=${PORT:-19085}
PG_PORT=${PG_PORT:-19086}
TARGET=${CARGO_TARGET_DIR:-target}
WORK=$(mktemp -d /tmp/tollgate-product.XXXXXX)
BASE=http://127.0.0.1:$PORT
chmod 711 "$WORK"
pids=()
cleanup() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$WORK"
}
trap cleanup EXIT
[[ -n ${NO_BUILD:-} ]] || cargo build --release -p bench -p graphql

# Whether a query is answered. Nothing is started for it: what asks must be quicker than what answers.
answered() {
  local body='{"query":"{ __typename }"}' line
  { exec 3<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null || return 1
  printf 'POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' \
    "${#body}" "$body" >&3
  read -r -t 5 line <&3 || line=
  exec 3>&-
  [[ $line == *" 200 "* ]]
}

# start DIR DATABASE_URL [NAME=VALUE…] → pid, and the milliseconds until a query was answered in $took
start() {
  local dir=$1 database=$2 began=${EPOCHREALTIME/[.,]/}
  shift 2
  mkdir -p "$dir"
  env LISTEN="127.0.0.1:$PORT" DATA_DIR="$dir" DATABASE_URL="$database" ADMIN_PASSWORD=bench-password-1 LOG=warn "$@" \
    "$TARGET/release/graphql" >"$dir/log" 2>&1 &
  pid=$!
  pids+=("$pid")
  until answered; do
    took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
    if ((took > 60000)) || ! kill -0 "$pid" 2>/dev/null; then tail -n 20 "$dir/log" >&2; return 1; fi
    sleep 0.001
  done
  took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
}
stop() { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }
resident() { awk '/VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }
middle() { sort -n | awk '{ n[NR] = $1 } END { print n[int((NR + 1) / 2)] }'; }

first=() again=()
for ((i = 1; i <= STARTS; i++)); do
  start "$WORK/start$i" "sqlite://$WORK/start$i/tollgate.db"
  first+=("$took")
  if ((i == STARTS)); then sleep 3; idle=$(resident "$pid"); fi
  stop
  start "$WORK/start$i" "sqlite://$WORK/start$i/tollgate.db"
  again+=("$took")
  stop
done
echo "| figure | value |"
echo "|---|--:|"
echo "| start on an empty folder (migrations, secrets, first admin) to the first answered query | $(printf '%s\n' "${first[@]}" | middle) ms |"
echo "| start on an existing folder to the first answered query | $(printf '%s\n' "${again[@]}" | middle) ms |"
echo "| resident memory, idle, everything on | $idle MiB |"
echo "| release binary | $(du -m "$TARGET/release/graphql" | cut -f1) MiB |"
echo

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1 || true)
if [[ -z $bin || ! -x $bin/pgbench ]]; then
  echo "skipped: lists on PostgreSQL: PostgreSQL with pgbench is not installed (apt-get install postgresql postgresql-contrib)"
  exit 0
fi
as=()
if [[ $(id -u) == 0 ]]; then
  mkdir "$WORK/postgres" && chown postgres "$WORK/postgres"
  as=(setpriv --reuid postgres --regid postgres --clear-groups)
else
  mkdir "$WORK/postgres"
fi
"${as[@]}" "$bin/initdb" --auth=trust --username=postgres --encoding=UTF8 --locale=C --pgdata "$WORK/postgres/cluster" >/dev/null
"${as[@]}" "$bin/postgres" -D "$WORK/postgres/cluster" -p "$PG_PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
  -c shared_buffers=256MB -c max_connections=100 >"$WORK/postgres.log" 2>&1 &
pids+=("$!")
sql() { PGOPTIONS='-c client_min_messages=warning' "$bin/psql" -h 127.0.0.1 -p "$PG_PORT" -U postgres -qAtc "$1"; }
for _ in $(seq 200); do sql 'select 1' >/dev/null 2>&1 && break; sleep 0.05; done

secret() { head -c 32 /dev/urandom | base64; }
start "$WORK/scaled" "postgres://postgres@127.0.0.1:$PG_PORT/postgres" JWT_SECRET="$(secret)" ENCRYPTION_KEY="$(secret)"
ask() { curl -fsS -H 'content-type: application/json' ${token:+-H "authorization: Bearer $token"} "$@"; }
field() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
token=$(ask "$BASE/web/auth/login" -d '{"username":"admin","password":"bench-password-1"}' | field token)
# One caller asks for more here than any caller should: wider buckets of points.
wider='{"query":"mutation { settingsPut(input: { settings: [{ name: \"graphql_points\", value: \"1000000000000\" }, { name: \"graphql_points_per_second\", value: \"1000000000000\" }] }) { userErrors { message } } }"}'
ask "$BASE/graphql" -d "$wider" | grep -q '"userErrors":\[\]'
for ((made = 0; made < KEYS; made += 500)); do
  ask "$BASE/admin/api-keys/batch" -d '{"baseName":"bench","count":500}' >/dev/null
done
sql 'analyze'

queries=(
  '{ apiKeys(first: 20) { nodes { id name } pageInfo { hasNextPage endCursor } } }'
  '{ apiKeys(first: 50) { nodes { id name owner { id username } } pageInfo { hasNextPage } } }'
  '{ auditLog(first: 50) { nodes { id action at } pageInfo { hasNextPage endCursor } } }'
)
echo "| list, $KEYS keys, PostgreSQL, 16 connections | GraphQL requests/s | p50 ms | statements | the SQL alone, requests/s |"
echo "|---|--:|--:|--:|--:|"
for query in "${queries[@]}"; do
  body=$(python3 -c 'import json,sys; print(json.dumps({"query": sys.argv[1]}))' "$query")
  # The statements of one request, as the server sees them, become the script of pgbench.
  ask "$BASE/graphql" -d "$body" >"$WORK/answer.json"
  if grep -q '"errors"' "$WORK/answer.json"; then cat "$WORK/answer.json" >&2; exit 1; fi
  sql "alter system set log_min_duration_statement = 0" && sql "select pg_reload_conf()" >/dev/null && sleep 0.3
  size=$(stat -c %s "$WORK/postgres.log")
  ask "$BASE/graphql" -d "$body" >/dev/null
  sleep 0.3
  tail -c "+$((size + 1))" "$WORK/postgres.log" >"$WORK/one.log"
  sql "alter system reset log_min_duration_statement" && sql "select pg_reload_conf()" >/dev/null && sleep 0.3
  count=$(python3 - "$WORK/one.log" "$WORK/alone.sql" <<'PY'
import re, sys
text = open(sys.argv[1], errors="replace").read()
# One entry per record of the log; what continues a record begins with a tab.
entries = re.split(r"\n(?=\d{4}-\d\d-\d\d )", text)
statements = []
for entry in entries:
    told = re.search(r"LOG:  duration: [\d.]+ ms  (?:execute [^:]*|statement): (.*)", entry, re.S)
    if told and "pg_reload_conf" not in entry and "alter system" not in entry:
        statements.append(told.group(1).strip())
    bound = re.search(r"DETAIL:  [Pp]arameters: (.*)", entry, re.S)
    if bound and statements:
        for number, value in re.findall(r"\$(\d+) = (NULL|'(?:[^']|'')*')", bound.group(1)):
            statements[-1] = re.sub(rf"\${number}(?!\d)", lambda _: value, statements[-1])
with open(sys.argv[2], "w") as out:
    for statement in statements:
        out.write(re.sub(r"\s+", " ", statement).rstrip(";").replace(":", "\\:") .replace("\\:\\:", "::") + ";\n")
print(len(statements))
PY
  )
  figures=$("$TARGET/release/bench" load --url "$BASE/graphql" --key "$token" --body "$body" --connections 16 --warmup 1 --duration "$SECONDS_EACH" --json)
  alone=$("$bin/pgbench" -h 127.0.0.1 -p "$PG_PORT" -U postgres -n -c 16 -j 2 -T "$SECONDS_EACH" -f "$WORK/alone.sql" postgres 2>/dev/null |
    awk '/^tps/ { printf "%.0f", $3 }')
  python3 - "$query" "$count" "$alone" "$figures" <<'PY'
import json, sys
query, count, alone, figures = sys.argv[1:]
figures = json.loads(figures)
print(f"| `{query}` | {figures['per_second']:.0f} | {figures['latency_us']['p50'] / 1000:.1f} | {count} | {alone or '–'} |")
PY
done
stop
