#!/usr/bin/env bash
# Measures what the relay costs and prints the table: the mock upstream directly, nginx as a plain proxy, Tollgate embedded
# (a key with every kind of limit; a key with none), Tollgate on PostgreSQL and Redis. Keys, choice and crash-safe usage
# records cannot be switched off, so "ungoverned" is the key without limits. All in one run on one machine: only ratios travel.
#
#   tests/bench/run.sh                     everything
#   ROWS="direct nginx" tests/bench/run.sh some rows:  direct nginx embedded embedded-ungoverned scaled
#   SCENARIOS="closed open" SECONDS_EACH=5 HOLD=5000   some scenarios: closed open first-byte chunks hold large
#   OUT=/tmp/figures.jsonl                 where the lines go that the table is made from
#
# What is not installed is left out with a visible word, never silently.
set -euo pipefail
cd "$(dirname "$0")/../.."

ROWS=${ROWS:-"direct nginx embedded embedded-ungoverned scaled"}
SCENARIOS=${SCENARIOS:-"closed open first-byte chunks large hold"}
SECONDS_EACH=${SECONDS_EACH:-8}
HOLD=${HOLD:-5000}
ACCOUNTS=${ACCOUNTS:-20}
MOCK_PORT=${MOCK_PORT:-19080}
NGINX_PORT=${NGINX_PORT:-19081}
TOLLGATE_PORT=${TOLLGATE_PORT:-19082}
CARGO=${CARGO:-cargo}
WORK=$(mktemp -d /tmp/tollgate-bench.XXXXXX)
OUT=${OUT:-$WORK/figures.jsonl}
TARGET=${CARGO_TARGET_DIR:-target}
BENCH=$TARGET/release/bench
: >"$OUT"
chmod 711 "$WORK"

MOCK=http://127.0.0.1:$MOCK_PORT
pids=()
cleanup() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$WORK"
}
trap cleanup EXIT

say() { printf '%s\n' "$*" >&2; }
skip() { # skip ROW WHY
  say "skipped: $1: $2"
  local scenario
  for scenario in $SCENARIOS; do
    printf '{"row":"%s","scenario":"%s","skipped":"%s"}\n' "$1" "$scenario" "$2" >>"$OUT"
  done
}
wants() { [[ " $1 " == *" $2 "* ]]; }
wait_for_port() { # wait_for_port PORT SECONDS
  local i
  for ((i = 0; i < $2 * 20; i++)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
    sleep 0.05
  done
  return 1
}
stop() { # stop PID: ends a server of ours and waits for it
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}
mock_streams() { curl -fsS -X POST "$MOCK/_mock?chunks=$1&delay_ms=$2" >/dev/null; }

# measure ROW URL PID[,PID…] KEY: runs every scenario against URL, sampling the process trees of PID.
measure() {
  local row=$1 url=$2 watch=$3 key=$4 scenario
  local load=("$BENCH" load --url "$url/v1/chat/completions" --key "$key" --json)
  [[ -n $watch ]] && load+=(--watch-pid "$watch")
  # Connections, caches and pools are warm before anything counts.
  "$BENCH" load --url "$url/v1/chat/completions" --key "$key" --connections 64 --duration 2 --json >/dev/null || true
  for scenario in $SCENARIOS; do
    say "  $row: $scenario"
    local run=("${load[@]}" --label "$row/$scenario")
    case $scenario in
      closed) run+=(--connections 64 --warmup 1 --duration "$SECONDS_EACH") ;;
      open) run+=(--mode open --rate 500 --connections 64 --warmup 1 --duration "$SECONDS_EACH") ;;
      first-byte)
        mock_streams 20 10
        run+=(--mode open --rate 50 --connections 64 --stream --warmup 1 --duration "$SECONDS_EACH") ;;
      chunks)
        mock_streams 100 10
        run+=(--connections 64 --stream --warmup 2 --duration "$SECONDS_EACH") ;;
      large) run+=(--connections 16 --body-size 262144 --warmup 1 --duration "$SECONDS_EACH") ;;
      hold)
        mock_streams 60 250
        run+=(--connections "$HOLD" --requests "$HOLD" --ramp-ms 5000 --stream --duration 3600 --timeout 120) ;;
      *) say "unknown scenario $scenario"; exit 2 ;;
    esac
    "${run[@]}" >>"$OUT" || say "  $row: $scenario: nothing was answered"
  done
}

start_nginx() { # → nginx_pid
  sed -e "s#@WORK@#$WORK#g; s#@LISTEN@#127.0.0.1:$NGINX_PORT#; s#@UPSTREAM@#127.0.0.1:$MOCK_PORT#" \
    tests/bench/nginx.conf >"$WORK/nginx.conf"
  nginx -c "$WORK/nginx.conf" -p "$WORK" -e "$WORK/nginx.log" &
  nginx_pid=$!
  pids+=("$nginx_pid")
  wait_for_port "$NGINX_PORT" 5 || { cat "$WORK/nginx.log" >&2; return 1; }
}

json_field() { python3 -c 'import json,sys
value = json.load(sys.stdin)
for name in sys.argv[1].split("."):
    value = value[name]
print(value)' "$1"; }

# start_tollgate NAME DATABASE_URL REDIS_URL [NAME=VALUE…] → tollgate_pid, tollgate_key
# Starts the all-in-one binary on a folder of its own and gets a key through the REST face.
start_tollgate() {
  local name=$1 database=$2 redis=$3 i
  shift 3
  local base=http://127.0.0.1:$TOLLGATE_PORT data=$WORK/$name
  mkdir -p "$data"
  local settings=(LISTEN="127.0.0.1:$TOLLGATE_PORT" DATABASE_URL="$database" DATA_DIR="$data" ADMIN_PASSWORD=bench-password-1 LOG=warn)
  if [[ -n $redis ]]; then
    settings+=(REDIS_URL="$redis" JWT_SECRET="$(head -c 32 /dev/urandom | base64)" ENCRYPTION_KEY="$(head -c 32 /dev/urandom | base64)")
  fi
  env "${settings[@]}" "$@" "$TARGET/release/graphql" >"$data/log" 2>&1 &
  tollgate_pid=$!
  pids+=("$tollgate_pid")
  wait_for_port "$TOLLGATE_PORT" 30 || { tail -n 20 "$data/log" >&2; return 1; }
  local call=(curl -sS -H 'content-type: application/json') answer token
  answer=$("${call[@]}" "$base/web/auth/login" -d '{"username":"admin","password":"bench-password-1"}')
  token=$(json_field token <<<"$answer") || { say "login: $answer"; return 1; }
  call+=(-H "authorization: Bearer $token" -H "new-api-user: 1")
  for ((i = 1; i <= ACCOUNTS; i++)); do
    answer=$("${call[@]}" "$base/api/channel" -d "{\"name\":\"mock-$i\",\"type\":1,\"key\":\"sk-mock-$i\",\"base_url\":\"$MOCK\",\"models\":\"gpt-4o-mini\",\"group\":\"default\",\"status\":1}")
    [[ $answer == *'"success":true'* ]] || { say "account: $answer"; return 1; }
  done
  local limits=',"dailyCostLimit":1000000,"concurrencyLimit":100000,"rateLimitWindow":1,"rateLimitRequests":100000000'
  [[ $name != *ungoverned ]] || limits=
  answer=$("${call[@]}" "$base/admin/api-keys" -d "{\"name\":\"bench\",\"permissions\":\"all\"$limits}")
  tollgate_key=$(json_field data.apiKey <<<"$answer") || { say "key: $answer"; return 1; }
}

measure_tollgate() { # measure_tollgate ROW DATABASE_URL REDIS_URL [NAME=VALUE…]
  local row=$1
  if [[ ! -x $TARGET/release/graphql ]]; then skip "$row" "the graphql binary is not built"; return; fi
  if ! start_tollgate "$@"; then
    stop "$tollgate_pid"
    skip "$row" "Tollgate did not start or gave no key"
    return
  fi
  sleep 1
  local idle
  idle=$("$BENCH" cpu --pid "$tollgate_pid" --seconds 0.1 | json_field rss_kib)
  printf '{"row":"%s","scenario":"idle","note":"%s KiB resident when idle"}\n' "$row" "$idle" >>"$OUT"
  measure "$row" "http://127.0.0.1:$TOLLGATE_PORT" "$tollgate_pid" "$tollgate_key"
  stop "$tollgate_pid"
}

# With its usual durability: figures with fsync off would be worth nothing.
start_postgres() { # → postgres_url
  local bin port=${POSTGRES_PORT:-19083} data=$WORK/postgres run=()
  bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
  [[ -n $bin ]] || return 1
  mkdir -p "$data"
  if [[ $(id -u) == 0 ]]; then chown postgres "$data"; run=(setpriv --reuid postgres --regid postgres --clear-groups); fi
  "${run[@]}" "$bin/initdb" --auth=trust --username=postgres --encoding=UTF8 --locale=C --pgdata "$data/cluster" >/dev/null
  "${run[@]}" "$bin/postgres" -D "$data/cluster" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c max_connections=200 -c shared_buffers=256MB >"$WORK/postgres.log" 2>&1 &
  pids+=("$!")
  wait_for_port "$port" 15 || return 1
  postgres_url=postgres://postgres@127.0.0.1:$port/postgres
}
start_redis() { # → redis_url
  local port=${REDIS_PORT:-19084}
  command -v redis-server >/dev/null || return 1
  redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$WORK" >"$WORK/redis.log" 2>&1 &
  pids+=("$!")
  wait_for_port "$port" 5 || return 1
  redis_url=redis://127.0.0.1:$port
}

packages=(-p bench)
if wants "$ROWS" embedded || wants "$ROWS" embedded-ungoverned || wants "$ROWS" scaled; then packages+=(-p graphql); fi
[[ -n ${NO_BUILD:-} ]] || "$CARGO" build --release "${packages[@]}"

# Each held stream is two descriptors in a gateway.
ulimit -n "$(ulimit -H -n)"
if [[ $(ulimit -n) != unlimited ]] && (($(ulimit -n) < 2 * HOLD + 200)); then
  HOLD=$((($(ulimit -n) - 200) / 2))
  say "only $HOLD streams are held: the limit of descriptors is $(ulimit -n)"
fi

"$BENCH" mock --listen "127.0.0.1:$MOCK_PORT" >"$WORK/mock.log" 2>&1 &
mock_pid=$!
pids+=("$mock_pid")
wait_for_port "$MOCK_PORT" 5 || { cat "$WORK/mock.log" >&2; exit 1; }

for row in $ROWS; do
  say "$row"
  case $row in
    direct) measure direct "$MOCK" "" sk-mock ;;
    nginx)
      if ! command -v nginx >/dev/null; then skip nginx "nginx is not installed (apt-get install nginx-light)"; continue; fi
      if start_nginx; then
        measure nginx "http://127.0.0.1:$NGINX_PORT" "$nginx_pid" sk-mock
        stop "$nginx_pid"
      else
        skip nginx "nginx did not start"
      fi ;;
    embedded) measure_tollgate embedded "sqlite://$WORK/embedded/tollgate.db" "" ;;
    embedded-ungoverned) measure_tollgate embedded-ungoverned "sqlite://$WORK/embedded-ungoverned/tollgate.db" "" ;;
    scaled)
      if ! start_postgres; then skip scaled "PostgreSQL is not installed or did not start"; continue; fi
      if ! start_redis; then skip scaled "Redis is not installed or did not start"; continue; fi
      measure_tollgate scaled "$postgres_url" "$redis_url" ;;
    *) say "unknown row $row"; exit 2 ;;
  esac
done

say
"$BENCH" table "$OUT"
