#!/usr/bin/env bash
# The whole set-up: all.sh [PACKAGE…]. What is there already costs a look.
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"

# One set-up at a time: a second one waits, and then finds everything done.
exec 9>"$state/setup.lock"
flock 9

# Builds without root map a range of ids, which Debian gives to users made by adduser.
id_range() {
    [ "$(id -u)" = 0 ] || grep -q "^$(id -un):" /etc/subuid ||
        as_root usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "$(id -un)"
}

setup/packages.sh "$@"
id_range
setup/docker.sh start # it starts while .venv is made
setup/venv.sh
setup/docker.sh wait
