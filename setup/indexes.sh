# Sourced: pip and uv find packages in the same places and trust the same certificates.
# shellcheck shell=bash

# like_pip PYTHON: give uv what pip was told, where uv was told nothing itself; and give both a
# company's certificate that was named for one of them, or stands among the machine's own.
like_pip() {
    local pip_files certificate files
    files=("${UV_CONFIG_FILE:-/dev/null}" /etc/uv/uv.toml
        "${XDG_CONFIG_HOME:-$HOME/.config}/uv/uv.toml")
    pip_files="$("$1" -m pip config list 2>/dev/null || true)"
    if ! cat "${files[@]}" 2>/dev/null | grep -q index; then
        give UV_DEFAULT_INDEX "${UV_INDEX_URL:-$(pip_setting index-url)}"
        give UV_INDEX "${UV_EXTRA_INDEX_URL:-$(pip_setting extra-index-url)}"
        give UV_FIND_LINKS "$(existing "$(pip_setting find-links)")"
    fi
    give UV_INSECURE_HOST "$(pip_setting trusted-host)"

    certificate="${SSL_CERT_FILE:-$(pip_setting cert)}"
    certificate="${certificate:-${REQUESTS_CA_BUNDLE:-/etc/ssl/certs/ca-certificates.crt}}"
    [ -r "$certificate" ] || return 0
    give SSL_CERT_FILE "$certificate"
    [ -n "$(pip_setting cert)" ] || export PIP_CERT="$certificate"
}

# pip_setting NAME: pip's setting, from the environment or else from its files; empty without one.
pip_setting() {
    local variable
    variable="PIP_$(tr 'a-z-' 'A-Z_' <<<"$1")"
    if [ -n "${!variable:-}" ]; then
        printf '%s' "${!variable}"
    else
        sed -n "s/^\(global\|install\)\.$1='\(.*\)'\$/\2/p" <<<"$pip_files" | tail -n 1
    fi
}

# give NAME VALUE: export it where NAME is unset and there is a value.
give() {
    [ -n "${!1:-}" ] || [ -z "$2" ] || export "$1=$2"
}

# pip passes over folders of wheels that aren't there, where uv gives up; uv parts them by commas.
existing() {
    local place kept=()
    for place in $1; do
        if [[ $place == *://* || -e $place ]]; then
            kept+=("$place")
        fi
    done
    (IFS=, && printf '%s' "${kept[*]:-}")
}
