# Sourced by the other scripts here; they run with bash from the top of the repository.
# shellcheck shell=bash disable=SC2034  # the variables are for them
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export HOME="${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}"

# What the set-up leaves on the machine besides .venv and packages: a log and a process id.
state="${XDG_STATE_HOME:-$HOME/.local/state}/lapstrake"
cache="${LAPSTRAKE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lapstrake}"
mkdir -p "$state"

# An ordinary user's PATH lacks the folders of dockerd and iptables.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

say() { printf '%s\n' "$*" >&2; }

# die MESSAGE [HINT]: the two lines of a `lapstrake` error.
die() {
    say "error: $1"
    [ -z "${2:-}" ] || say "  hint: $2"
    exit 1
}

# as_root COMMAND…: as we are where that is root, else through sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root is needed to run: $*" "run this as root, or install sudo"
    fi
}
