#!/usr/bin/env bash
# The whole set-up: all.sh [PACKAGE…]. What is there already costs a look.
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"

# One set-up at a time: a second one waits, and then finds everything done.
exec 9>"$state/setup.lock"
flock 9

# Builds without root map a range of ids, which Debian gives to users made by adduser; ours goes
# after everybody else's.
id_range() {
    local first
    [ "$(id -u)" != 0 ] || return 0
    ! grep -q "^$(id -un):" /etc/subuid || return 0
    first="$(cat /etc/subuid /etc/subgid | awk -F: -v n=100000 '
        $2 + $3 > n { n = $2 + $3 } END { print n }')"
    as_root usermod --add-subuids "$first-$((first + 65535))" \
        --add-subgids "$first-$((first + 65535))" "$(id -un)"
}

setup/packages.sh "$@"
id_range
setup/docker.sh start # it starts while .venv is made
setup/venv.sh
setup/docker.sh wait
