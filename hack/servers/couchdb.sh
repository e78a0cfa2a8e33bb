#!/bin/sh
# Installs PouchDB Server from its lockfile, once, and prints the path of its
# program for node; see npm. It answers CouchDB's HTTP API.
set -eu
. "$(dirname "$0")/npm"
# Without its optional packages it keeps all in memory, and nothing is compiled.
npm_install "$(npm_version pouchdb-server)" --omit=optional
echo "$folder/node_modules/pouchdb-server/bin/pouchdb-server"
