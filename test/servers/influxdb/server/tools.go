//go:build tools

// Package server pins InfluxDB, which hack/servers/influxdb.sh builds.
package server

import _ "github.com/influxdata/influxdb/cmd/influxd"
