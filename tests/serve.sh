# Starts the built product for a script that tries it from outside. Sourced with the project's root as the
# current folder; not run by itself.
#
#   binaries   folder of built binaries (BINARIES, or a debug build that is made now)
#   work       a folder of this run; it goes at the end, and so does every process that `background` started
#   app, fake  addresses of the product and of the fake upstream, after `start_product`

if [ -z "${BINARIES:-}" ]; then
    cargo build --quiet --package graphql --package tests --bin graphql --bin fake-upstream
fi
binaries=$(realpath "${BINARIES:-target/debug}")
work=$(mktemp -d)
pids=()

finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# background LOG COMMAND…
background() {
    local log=$work/$1
    shift
    "$@" >"$log" 2>&1 &
    pids+=($!)
}

wait_for_port() {
    for _ in $(seq 300); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.1
    done
    echo "nothing answers on port $1" >&2
    exit 1
}

# start_product PASSWORD: from an empty folder, so that no `.env` of this tree is read and nothing is left in it.
start_product() {
    local port
    port=$(free_port)
    fake=http://127.0.0.1:$(free_port)
    background fake.log "$binaries/fake-upstream" "${fake#http://}"
    app=http://127.0.0.1:$port
    ADMIN_PASSWORD=$1 LISTEN=127.0.0.1:$port DATA_DIR=$work/data LOG=warn \
        background app.log env --chdir="$work" "$binaries/graphql"
    for _ in $(seq 300); do
        curl -fs --noproxy '*' "$app/readyz" >/dev/null && return
        kill -0 "${pids[-1]}" 2>/dev/null || break
        sleep 0.1
    done
    echo "the product did not start:" >&2
    cat "$work/app.log" >&2
    exit 1
}
