#!/bin/sh
# Installs Azurite from its lockfile, once, and prints the path of its program
# for node; see npm. It plays Azure's queues and blobs.
set -eu
. "$(dirname "$0")/npm"
npm_install "$(npm_version azurite)"
echo "$folder/node_modules/azurite/dist/src/azurite.js"
