#!/usr/bin/env bash
# Make .venv: Debian's Python, uv from the package index, then all that pyproject.toml names.
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"

python="${PYTHON:-/usr/bin/python3}"
venv=.venv
stamp="$venv/lapstrake.stamp"

[ -x "$python" ] || die "there is no $python" "apt-get install python3-venv, or set PYTHON"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$python is older than 3.11" "set PYTHON to a newer one"

# The same checkout, the same Python, the same requirements, this script as it is.
want="$({ pwd && "$python" -V && cat pyproject.toml setup/venv.sh; } | sha256sum)"

works() {
    [ "$(cat "$stamp" 2>/dev/null)" = "$want" ] &&
        "$venv/bin/python" -c 'import lapstrake, pydantic, docker, pytest' 2>/dev/null
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

# Where uv has no index settings of its own, it gets pip's.
uv_like_pip() {
    local pip_files files=(/etc/uv/uv.toml "${XDG_CONFIG_HOME:-$HOME/.config}/uv/uv.toml")
    pip_files="$("$venv/bin/pip" config list 2>/dev/null || true)"
    if ! cat "${UV_CONFIG_FILE:-/dev/null}" "${files[@]}" 2>/dev/null | grep -q index; then
        give UV_DEFAULT_INDEX "${UV_INDEX_URL:-$(pip_setting index-url)}"
        give UV_INDEX "${UV_EXTRA_INDEX_URL:-$(pip_setting extra-index-url)}"
        give UV_FIND_LINKS "$(existing "$(pip_setting find-links)")"
    fi
    give UV_INSECURE_HOST "$(pip_setting trusted-host)"
    give SSL_CERT_FILE "$(pip_setting cert)"
}

# give NAME VALUE: set what is unset, unless to nothing.
give() {
    [ -n "${!1:-}" ] || [ -z "$2" ] || export "$1=$2"
}

# pip passes over folders of wheels that aren't there, where uv gives up; uv parts them by commas.
existing() {
    local place kept=()
    for place in $1; do
        case "$place" in
            *://*) kept+=("$place") ;;
            *) [ ! -e "$place" ] || kept+=("$place") ;;
        esac
    done
    (IFS=, && printf '%s' "${kept[*]:-}")
}

# A company's certificate may be named for one tool only, or stand among the machine's own.
certificates() {
    local bundle="${SSL_CERT_FILE:-${PIP_CERT:-${REQUESTS_CA_BUNDLE:-$ca_bundle}}}"
    [ -r "$bundle" ] || return 0
    give SSL_CERT_FILE "$bundle"
    # Not over a certificate that pip's own files name.
    if ! "$python" -m pip config list 2>/dev/null | grep -q '\.cert='; then
        give PIP_CERT "$bundle"
    fi
}

! works || exit 0

say "Making $venv"
certificates
rm -f "$stamp"
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$venv/bin/python" -m pip install --quiet 'uv>=0.8' ||
    die "uv could not be installed from the package index" "see what pip says above"
uv_like_pip
"$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --editable '.[smoke]' --group dev ||
    die "the requirements could not be installed" "see what uv says above"
printf '%s\n' "$want" >"$stamp"
