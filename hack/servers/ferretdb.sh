#!/bin/sh
# Builds FerretDB, which stands in for MongoDB, once, and prints the path of
# its server; see go. Its module has to be asked for by its exact version, which
# the small module does.
set -eu
. "$(dirname "$0")/go"
binary="$cache/ferretdb-1.24.0"
go_build "$(dirname "$0")/../../test/servers/ferretdb/server" . "$binary"
echo "$binary"
