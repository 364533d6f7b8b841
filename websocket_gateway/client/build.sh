#!/usr/bin/env bash
# Checks the types of the browser client, and builds the file that is served and its declarations.
# The versions are exact, so that the same source gives the same bytes.
#
#     build.sh [FOLDER]
set -euo pipefail
out=$(realpath "${1:-$(dirname "$0")/../static/websocket_gateway}")
cd "$(dirname "$0")"
declarations=../../build/types
npm() { command npm exec --yes "$@"; }

npm --package=typescript@5.9.3 -- tsc -p tsconfig.json
cp types.d.ts "$declarations"
npm --package=dts-bundle-generator@9.5.1 --package=typescript@5.9.3 -- dts-bundle-generator \
    --silent --no-check --no-banner --project "$PWD/tsconfig.json" -o "$out/client.d.ts" "$declarations/index.d.ts"
npm --package=esbuild@0.25.12 -- esbuild index.js --bundle --format=esm --target=es2022 --minify \
    --charset=utf8 --log-level=warning --outfile="$out/client.js" \
    --banner:js="// The browser client of django-websocket-gateway, built from websocket_gateway/client."
