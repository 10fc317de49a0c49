#!/usr/bin/env bash
# Fetch GitHub's own description of its REST API, by which the tests' GitHub is checked, and print
# its path. It is 13 MB and not ours, so it lies in the user's cache.
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"

package=@octokit/openapi
version=23.0.2
# of the package as the registry gives it
sha512=a55f0cecbf46636dc0c9b36f4e6a369f28e6a669edebedac444fedaabd192d070f4b8967c3bbb979918d9b044d9010b70fb8195db171e401f32d455105718386

folder="${XDG_CACHE_HOME:-$HOME/.cache}/lapstrake-tests"
target="$folder/api.github.com-$version.json"

if ! [ -e "$target" ]; then
    command -v npm >/dev/null || setup/packages.sh npm
    mkdir -p "$folder"
    # One fetch at a time: the tests run in several processes.
    exec 8>"$folder/.lock"
    flock 8
fi

if ! [ -e "$target" ]; then
    # Node knows no SSL_CERT_FILE
    export NODE_EXTRA_CA_CERTS="${NODE_EXTRA_CA_CERTS:-${SSL_CERT_FILE:-}}"
    work="$(mktemp -d "$folder/.work-XXXXXX")"
    trap 'rm -rf "$work"' EXIT
    npm pack --silent --cache "$work/npm" --pack-destination "$work" "$package@$version" \
        >"$work/log" 2>&1 || {
        tail -n 5 "$work/log" | sed 's/^/  /' >&2
        die "$package $version could not be fetched with npm" "check npm's registry and the network"
    }
    printf '%s  %s\n' "$sha512" "$(ls "$work"/*.tgz)" | sha512sum --check --quiet ||
        die "$package $version is not what it was when it was pinned"
    tar -xzf "$work"/*.tgz -C "$work" package/generated/api.github.com.json
    mv "$work/package/generated/api.github.com.json" "$target"
fi
printf '%s\n' "$target"
