#!/bin/sh
# Installs the stand-in for Azure Event Hubs from its lockfile, once, and prints
# the path of its program for node; see npm.
set -eu
. "$(dirname "$0")/npm"
npm_install "$(cat "$pinned/package-lock.json" "$pinned/server.js" | cksum | cut -d' ' -f1)"
echo "$folder/server.js"
