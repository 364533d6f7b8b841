#!/usr/bin/env bash
# Makes the tarball that is published on npm: the two files that are served, unchanged, under the package's version.
#
#     pack.sh FOLDER
set -euo pipefail
out=$(realpath "${1:?the folder that gets the tarball}")
cd "$(dirname "$0")"
served=../static/websocket_gateway
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

cp "$served/client.js" "$served/client.d.ts" "$served/package.json" README.md ../../LICENSE "$folder"
version=$(bash version.sh)
cd "$folder"
npm pkg set version="$version" >/dev/null
npm pkg delete private >/dev/null
# Provenance is accepted only with the repository that the workflow runs for.
if [ -n "${GITHUB_REPOSITORY:-}" ]; then
    npm pkg set repository.type=git "repository.url=git+https://github.com/$GITHUB_REPOSITORY.git" >/dev/null
fi
npm pack --silent --pack-destination "$out"
