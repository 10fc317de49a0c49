#!/usr/bin/env bash
# Make .venv: Debian's Python, uv from the package index, then all that pyproject.toml names.
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=setup/indexes.sh
. setup/indexes.sh

python="${PYTHON:-/usr/bin/python3}"
inside=.venv/bin/python
stamp=.venv/lapstrake.stamp

[ -x "$python" ] || die "there is no $python" "apt-get install python3-venv, or set PYTHON"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "$python is older than 3.11" "set PYTHON to a newer one"

# The same checkout, the same Python, the same requirements, this script as it is.
want="$({ pwd && "$python" -V && cat pyproject.toml setup/venv.sh; } | sha256sum)"

works() {
    [ "$(cat "$stamp" 2>/dev/null)" = "$want" ] &&
        "$inside" -c 'import lapstrake, pydantic, docker, pytest' 2>/dev/null
}

# A .venv of another Python, or one whose checkout was moved, is made anew.
usable() {
    [ "$("$inside" -V 2>/dev/null)" = "$("$python" -V)" ] &&
        "$inside" -m pip --version >/dev/null 2>&1 &&
        [ "$("$inside" -c 'import sys; print(sys.prefix)')" = "$PWD/.venv" ]
}

! works || exit 0

say "Making .venv"
rm -f "$stamp"
usable || "$python" -m venv --clear .venv
like_pip "$inside"
PIP_DISABLE_PIP_VERSION_CHECK=1 "$inside" -m pip install --quiet 'uv>=0.8' ||
    die "uv could not be installed from the package index" "see what pip says above"
.venv/bin/uv pip install --quiet --python "$inside" --editable '.[release,smoke]' --group dev ||
    die "the requirements could not be installed" "see what uv says above"
printf '%s\n' "$want" >"$stamp"
