#!/usr/bin/env bash
# Fetch GitHub's own description of its REST API, by which the tests' GitHub is checked, and print
# its path (13 MB).
# shellcheck source=setup/common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=setup/npm.sh
. setup/npm.sh

version=23.0.2
sha512=a55f0cecbf46636dc0c9b36f4e6a369f28e6a669edebedac444fedaabd192d070f4b8967c3bbb979918d9b044d9010b70fb8195db171e401f32d455105718386

npm_file @octokit/openapi "$version" "$sha512" generated/api.github.com.json \
    "api.github.com-$version.json"
