package influxdb

import (
	"context"
	"maps"
	"testing"

	"github.com/kedago/keda/pkg/scaler/scalertest"
	influxserver "github.com/kedago/keda/test/servers/influxdb"
)

const realPassword = "password-of-keda"

// conformanceWithServer measures an InfluxDB. query is the part of a trigger
// that asks for the last value of a measurement.
func conformanceWithServer(t *testing.T, server *influxserver.Server, c scalertest.Case, query func(database, measurement string) map[string]string, deny, allow func()) {
	hold := func(measurement string) func(context.Context, float64) {
		return func(_ context.Context, n float64) { server.Write(t, measurement, n) }
	}
	const one, two = "waiting", "returned"
	hold(one)(t.Context(), 0)
	maps.Copy(c.Metadata, query(influxserver.Database, one))
	c.Kind = Kinds()[0]
	c.Fixture = func(t *testing.T) scalertest.Fixture {
		proxy := scalertest.NewProxy(t, server.Addr)
		return scalertest.Fixture{
			Metadata: map[string]string{"serverURL": "http://" + proxy.Addr}, Proxy: proxy,
			Set: hold(one), Deny: deny, Allow: allow,
			Siblings: []scalertest.Sibling{{Metadata: query(influxserver.Database, two), Set: hold(two)}},
			Bad:      query("none", one),
		}
	}
	scalertest.Run(t, c)
}

func TestConformanceWithFlux(t *testing.T) {
	server := influxserver.Start(t, realPassword)
	conformanceWithServer(t, server, scalertest.Case{
		Metadata: metadata("http://influxdb.example"), Auth: map[string]string{"authToken": influxserver.User + ":" + realPassword},
	}, func(database, measurement string) map[string]string {
		return map[string]string{"query": `from(bucket: "` + database + `") |> range(start: -5m) |> filter(fn: (r) => r._measurement == "` + measurement + `") |> last()`}
	}, func() { server.Password(t, "another") }, func() { server.Password(t, realPassword) })
}

// TestConformanceWithInfluxQL has a server without version 3's API, as some
// editions of InfluxDB 3 are.
func TestConformanceWithInfluxQL(t *testing.T) {
	server := influxserver.Start(t, realPassword)
	conformanceWithServer(t, server, scalertest.Case{
		Metadata: metadata3("http://influxdb.example"), Auth: map[string]string{"authToken": influxserver.Token()},
	}, func(database, measurement string) map[string]string {
		return map[string]string{"database": database, "query": `SELECT last(n) AS waiting FROM ` + measurement}
	}, func() { server.MayRead(t, false) }, func() { server.MayRead(t, true) })
}
