// Package influxdb measures queries of InfluxDB: Flux of versions 1 and 2,
// InfluxQL and SQL of version 3.
//
// It owns the requests and which row of an answer counts. It speaks HTTP only,
// not version 3's gRPC.
package influxdb

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// bodyLimit leaves room for queries that return more than the row that counts.
const bodyLimit = 8 << 20

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "influxdb",
		Title:       "InfluxDB",
		About:       "The first value that a Flux query returns, or, of InfluxDB 3, a column of the last row of an InfluxQL or SQL query.",
		Since:       "2.1",
		Permissions: "A token that may read the buckets or the database of the query.",
		Cost:        "One query a poll; equal queries of many triggers are asked once. InfluxDB Cloud bills queries and the data that leaves it.",
		ByHand:      `influx query --org shop 'from(bucket: "jobs") |> range(start: -5m) |> filter(fn: (r) => r._measurement == "waiting") |> last()'`,
		Examples: []scaler.Example{
			{
				Title: "Flux",
				Metadata: map[string]string{
					"serverURL": "http://influxdb.monitoring:8086", "organizationName": "shop", "thresholdValue": "10",
					"query": `from(bucket: "jobs") |> range(start: -5m) |> filter(fn: (r) => r._measurement == "waiting") |> last()`,
				},
				Auth: map[string]string{"authToken": "the-token"},
			},
			{
				Title: "InfluxQL of InfluxDB 3",
				Metadata: map[string]string{
					"serverURL": "https://influxdb.example.com:8181", "influxVersion": "3", "queryType": "InfluxQL", "database": "jobs",
					"query": `SELECT last("waiting") AS "waiting" FROM "queue" WHERE time > now() - 5m`, "metricKey": "waiting", "thresholdValue": "10",
				},
				Auth: map[string]string{"authToken": "the-token"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	tls          conn.TLS
	server       *url.URL
	token        param.Hidden
	organization string
	query        string
	version      string
	queryType    string
	database     string
	column       string
	target       float64
	activation   float64
	has          struct{ organization, database bool }
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("serverURL", &c.server).From(param.Metadata, param.Auth).Required().Example("http://influxdb.monitoring:8086").Doc("Address of the server."),
		param.Text("influxVersion", &c.version).OneOf("2", "3").Default("2").
			Doc("Which API to ask: 2 for Flux, also of InfluxDB 1.7 and 1.8, or 3."),
		param.Text("query", &c.query).Required().
			Doc("Query in Flux whose first `_value` counts; of InfluxDB 3, query in InfluxQL or SQL whose last row counts."),
		param.Text("queryType", &c.queryType).Default("InfluxQL").
			Doc("Language of the query for InfluxDB 3: InfluxQL, or FlightSQL for SQL. Without effect for version 2."),
		param.Text("metricKey", &c.column).Example("waiting").Doc("Column that counts, for InfluxDB 3."),
		param.Text("organizationName", &c.organization).From(param.Metadata, param.Env, param.Auth).IsSet(&c.has.organization).Example("shop").
			Doc("Organization, for version 2; InfluxDB 1 takes any."),
		param.Text("database", &c.database).From(param.Metadata, param.Auth).IsSet(&c.has.database).Example("jobs").Doc("Database, for InfluxDB 3."),
		param.Float("thresholdValue", &c.target).Required().Target().Doc("Value per replica."),
		param.Float("activationThresholdValue", &c.activation).Activation().Doc("Value above which the workload is active."),
	}.With(param.Group("Authentication",
		param.Secret("authToken", &c.token).From(param.Metadata, param.Env, param.Auth).
			Doc("Token; of InfluxDB 1 `user:password`. Without one nothing is said of who asks."),
	), c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	if c.version == "2" {
		if !c.has.organization {
			ps.Errorf("metadata.organizationName", "is missing; expected the organization, since influxVersion is 2")
		}
		return ps
	}
	if !c.has.database {
		ps.Errorf("metadata.database", "is missing; expected a database, since influxVersion is 3")
	}
	if c.column == "" {
		ps.Errorf("metadata.metricKey", "is missing; expected the column that counts, since influxVersion is 3")
	}
	if !c.sql() && !strings.EqualFold(c.queryType, "InfluxQL") {
		ps.Errorf("metadata.queryType", "found %q; expected InfluxQL or FlightSQL", c.queryType)
	}
	return ps
}

// sql says whether the query is in SQL.
func (c *config) sql() bool {
	return strings.EqualFold(c.queryType, "FlightSQL") || strings.EqualFold(c.queryType, "SQL")
}

// Metric implements scaler.Config.
func (c *config) Metric() string {
	if c.version == "2" {
		return "influxdb-" + c.organization
	}
	return "influxdb-" + c.database
}

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{BodyLimit: bodyLimit})
	if err != nil {
		return nil, err
	}
	a := asker{config: c, client: client, doing: "querying InfluxDB at " + c.server.Host}
	if c.version == "2" {
		return conn.NewHTTPSource(client, c.server.Host, a.flux), nil
	}
	return conn.NewHTTPSource(client, c.server.Host, (&asker3{asker: a}).measure), nil
}

// asker asks for one trigger.
type asker struct {
	*config
	client *conn.HTTPClient
	doing  string
}

// header has the token, in the scheme that the API wants.
func (a asker) header(scheme string) http.Header {
	if a.token.IsZero() {
		return http.Header{}
	}
	return http.Header{"Authorization": {scheme + " " + a.token.Reveal()}}
}

const seeByHand = "it can't run the query; try the same by hand, it tells why"
