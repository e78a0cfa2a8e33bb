#!/bin/sh
# Builds InfluxDB 1.7, once, and prints the path of its server; see go. It is
# the last one that is all Go, with Flux by version 2's API.
set -eu
. "$(dirname "$0")/go"
binary="$cache/influxd-1.7.11"
go_build "$(dirname "$0")/../../test/servers/influxdb/server" github.com/influxdata/influxdb/cmd/influxd "$binary"
echo "$binary"
