#!/usr/bin/env bash
# Builds and checks images of this repository, and writes docs/catalog.md. Arguments: their names;
# by default all, the optional ones each by itself, so that no more than one lies on the disk.
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"

lapstrake=.venv/bin/lapstrake
python=.venv/bin/python
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# note FOLDER [NAME…]: builds into the folder, checks, and keeps what was seen.
note() {
    local folder="$1" failed=0
    shift
    "$lapstrake" build --out "$folder" "$@"
    "$lapstrake" smoke --quiet --remove --dist "$folder" || failed=1
    "$python" setup/catalog.py note "$folder"
    return "$failed"
}

failed=0
if [ $# = 0 ]; then
    note "$work/usual" || failed=1
    rm -rf "$work/usual"
    mapfile -t large < <("$python" setup/catalog.py large)
    set -- "${large[@]}"
fi
for name in "$@"; do
    say "$name"
    note "$work/$name" "$name" || failed=1
    rm -rf "${work:?}/$name"
done
"$python" setup/catalog.py write
exit "$failed"
