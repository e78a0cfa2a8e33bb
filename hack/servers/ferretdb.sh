#!/bin/sh
# Builds FerretDB, which stands in for MongoDB, once, and prints the path of
# its server. Its module has to be asked for by its exact version, so it is
# built from the small module in test/servers/ferretdb/server; the result is
# kept in ${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}.
set -eu
version=1.24.0
cache="${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}"
binary="$cache/ferretdb-$version"
if [ -x "$binary" ]; then
	echo "$binary"
	exit 0
fi
command -v go >/dev/null || { echo "ferretdb: there is no go in PATH" >&2; exit 1; }
mkdir -p "$cache"
work="$(mktemp -d "$cache/ferretdb.XXXXXX")"
trap 'rm -rf "$work"' EXIT
source="$(cd "$(dirname "$0")/../../test/servers/ferretdb/server" && pwd)"
cp "$source"/go.mod "$source"/*.go "$work/"
[ ! -e "$source/go.sum" ] || cp "$source/go.sum" "$work/"
(cd "$work" && GOWORK=off CGO_ENABLED=0 GOFLAGS=-mod=mod go build -trimpath -ldflags '-s -w' -o server .) >&2
mv "$work/server" "$binary"
echo "$binary"
