module github.com/kedago/keda/test/servers/influxdb/server
go 1.26.0
require github.com/influxdata/influxdb v1.7.11
