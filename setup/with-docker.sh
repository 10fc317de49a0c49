#!/usr/bin/env bash
# with-docker.sh COMMAND…: run it so that it may speak to the Docker engine.
#
# Where the socket belongs to a group that we are not of, sudo lends us that group for this
# command; nobody is added to a group for good.
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"

code=0
/usr/bin/python3 setup/docker-answers.py || code=$?
if [ "$code" = 2 ] && [ -z "${DOCKER_HOST:-}" ] && command -v sudo >/dev/null; then
    group="$(stat -c %G /var/run/docker.sock)"
    exec sudo --preserve-env --user "$(id -un)" --group "$group" -- "$@"
fi
exec "$@"
