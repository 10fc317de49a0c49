#!/usr/bin/env bash
# Fetch KServe's own description of a ClusterServingRuntime, by which the tests check what
# `lapstrake deploy --format kserve` writes, and print its path. It lies in the user's cache.
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"

module=github.com/kserve/kserve
version=v0.15.2
file=config/crd/full/serving.kserve.io_clusterservingruntimes.yaml
sha256=2f81f42bcc4949664e1d983712a9f16d60f8befe45a1993a934d4b952ad7f2b3

folder="${XDG_CACHE_HOME:-$HOME/.cache}/lapstrake-tests"
target="$folder/clusterservingruntimes-$version.yaml"

if ! [ -e "$target" ]; then
    PATH="$PATH:/usr/local/go/bin"
    command -v go >/dev/null || setup/packages.sh golang-go
    mkdir -p "$folder"
    # One fetch at a time: the tests run in several processes.
    exec 8>"$folder/.lock"
    flock 8
fi

if ! [ -e "$target" ]; then
    work="$(mktemp -d "$folder/.work-XXXXXX")"
    trap 'rm -rf "$work"' EXIT
    # a module cache of its own, which can be removed again
    GOMODCACHE="$work/modules" GOFLAGS=-modcacherw GOTOOLCHAIN=local \
        go mod download "$module@$version" >"$work/log" 2>&1 || {
        tail -n 5 "$work/log" | sed 's/^/  /' >&2
        die "$module $version could not be fetched with go" "check Go's proxy and the network"
    }
    found="$work/modules/$module@$version/$file"
    printf '%s  %s\n' "$sha256" "$found" | sha256sum --check --quiet ||
        die "$module $version is not what it was when it was pinned"
    mv "$found" "$target"
fi
printf '%s\n' "$target"
