#!/usr/bin/env bash
# What tests in a browser need, whatever of it is missing: Chromium, Playwright to drive it, and
# axe-core, which looks for what keeps people out. Prints where axe-core's script lies.
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=setup/indexes.sh
. setup/indexes.sh
# shellcheck source=setup/npm.sh
. setup/npm.sh

version=4.14.1
sha512=1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5

command -v chromium >/dev/null || setup/packages.sh chromium

# Its own browsers are not downloaded: Debian's is driven.
python=.venv/bin/python
if ! "$python" -c 'import playwright' 2>/dev/null; then
    like_pip "$python"
    .venv/bin/uv pip install --quiet --python "$python" --group browser ||
        die "Playwright could not be installed from the package index" "see what uv says above"
fi

npm_file axe-core "$version" "$sha512" axe.min.js "axe-$version.min.js"
