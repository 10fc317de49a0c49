#!/usr/bin/env bash
# The demo: build the family, smoke-test it, push it to a registry on loopback, print a table.
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"

began="$(date +%s.%N)"
python=.venv/bin/python
lapstrake=.venv/bin/lapstrake
# What was pushed is kept for the next demo, which finds it there.
storage="$cache/demo-registry"
work="$(mktemp -d)"
registry=

end() {
    [ -z "$registry" ] || kill "$registry" 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT

free_port() {
    "$python" -c 'import socket
with socket.create_server(("127.0.0.1", 0)) as s: print(s.getsockname()[1])'
}

answers() {
    "$python" -c 'import sys, urllib.request as u
u.build_opener(u.ProxyHandler({})).open(f"http://127.0.0.1:{sys.argv[1]}/v2/", timeout=2)' \
        "$1" 2>/dev/null
}

start_registry() {
    mkdir -p "$storage"
    cat >"$work/demo-registry.yml" <<YAML
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: "$storage"}
  cache: {blobdescriptor: inmemory}
http: {addr: "127.0.0.1:$1"}
YAML
    # A session of its own: a ^C is for the push, and the registry ends after it.
    setsid docker-registry serve "$work/demo-registry.yml" >"$work/registry.log" 2>&1 &
    registry=$!
    for _ in $(seq 100); do
        answers "$1" && return
        kill -0 "$registry" 2>/dev/null || break
        sleep 0.1
    done
    sed 's/^/  /' "$work/registry.log" >&2
    die "docker-registry did not start"
}

# A mirror drops a package when a newer one comes: then the lock, which is as old as the last
# commit that moved it, must move on as well.
"$lapstrake" build || {
    "$python" setup/moved-on.py || exit 1
    say "Locking Debian's packages anew: the mirror has moved on (git shows what changed)"
    "$lapstrake" lock --upgrade-os
    "$lapstrake" build
}
"$lapstrake" smoke --unless-passed
port="$(free_port)"
start_registry "$port"
"$lapstrake" push --registry "127.0.0.1:$port/demo"
"$python" setup/table.py dist "$began"
