#!/bin/sh
# Builds InfluxDB 1.7, once, and prints the path of its server: the last one
# that is all Go, with Flux by version 2's API. Its module is pinned by the
# small module in test/servers/influxdb/server; the result is kept in
# ${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}.
set -eu
version=1.7.11
cache="${KEDA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keda}"
binary="$cache/influxd-$version"
if [ -x "$binary" ]; then
	echo "$binary"
	exit 0
fi
command -v go >/dev/null || { echo "influxdb: there is no go in PATH" >&2; exit 1; }
mkdir -p "$cache"
work="$(mktemp -d "$cache/influxdb.XXXXXX")"
trap 'rm -rf "$work"' EXIT
source="$(cd "$(dirname "$0")/../../test/servers/influxdb/server" && pwd)"
cp "$source"/go.mod "$source"/go.sum "$source"/*.go "$work/"
(cd "$work" && GOWORK=off CGO_ENABLED=0 GOFLAGS=-mod=mod go build -trimpath -ldflags '-s -w' -o influxd github.com/influxdata/influxdb/cmd/influxd) >&2
mv "$work/influxd" "$binary"
echo "$binary"
