// Package sumologic measures log searches and metrics queries of Sumo Logic.
//
// It owns the requests, the waiting for search jobs, and the number made of
// their results. It refuses searches that return messages, and to read a
// search before it is complete.
package sumologic

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // minimal images have no time zones

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// The query types.
const (
	logs    = "logs"
	metrics = "metrics"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "sumologic",
		Title: "Sumo Logic",
		About: "A field of the records of a log search, or the values of a metrics query, as one number.",
		Since: "2.18",
		Permissions: "An access key of a user who may run log searches (View Collectors and Download Search Results) or metrics queries on what is asked. " +
			"The API is for Enterprise accounts.",
		Cost: "Logs: one search job a poll, with at least four HTTP requests, on the account's limit of 200 jobs and 4 requests a second; searches of the tiers Infrequent and Flex are billed by what they scan. " +
			"Metrics: one HTTP request. Equal triggers are asked once.",
		ByHand: `curl -s -u "$ACCESS_ID:$ACCESS_KEY" https://api.sumologic.com/api/v1/search/jobs -H 'Content-Type: application/json' -d '{"query":"_sourceCategory=shop error | count","from":"2026-01-01T10:00:00Z","to":"2026-01-01T10:05:00Z","timeZone":"UTC"}'`,
		Examples: []scaler.Example{
			{
				Title: "A log search",
				Metadata: map[string]string{
					"host": "https://api.sumologic.com", "queryType": "logs", "query": "_sourceCategory=shop error | count",
					"resultField": "_count", "timerange": "5m", "threshold": "100",
				},
				Auth: map[string]string{"accessID": "the-id", "accessKey": "the-key"},
			},
			{
				Title: "A metrics query",
				Metadata: map[string]string{
					"host": "https://api.eu.sumologic.com", "queryType": "metrics", "query": "metric=orders_waiting | sum",
					"quantization": "15s", "rollup": "Max", "queryAggregator": "Latest", "timerange": "5m", "threshold": "50",
				},
				Auth: map[string]string{"accessID": "the-id", "accessKey": "the-key"},
			},
			{
				Title: "Metrics queries that refer to each other",
				Metadata: map[string]string{
					"host": "https://api.sumologic.com", "queryType": "metrics", "query.A": "metric=requests_total | rate | sum", "query.B": "metric=request_capacity | sum",
					"query.C": "#A / #B * 100", "resultQueryRowID": "C", "quantization": "15s", "timerange": "5m", "threshold": "75",
				},
				Auth: map[string]string{"accessID": "the-id", "accessKey": "the-key"},
			},
		},
		New: func() scaler.Config { return &config{pause: time.Second} },
	}}
}

type config struct {
	address      *url.URL
	queryType    string
	query        string
	queries      map[string]string
	row          string
	quantization time.Duration
	rollup       string
	field        string
	every        time.Duration
	tries        int64
	timerange    time.Duration
	zone         string
	aggregator   string
	threshold    float64
	activation   float64
	accessID     string
	accessKey    param.Hidden
	tls          conn.TLS
	// pause is what is waited for before a request is tried again.
	pause time.Duration
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("host", &c.address).Required().Example("https://api.sumologic.com").Doc("Address of the API in the account's deployment."),
		param.Text("queryType", &c.queryType).Required().OneOf(logs, metrics).Doc("What the query is for."),
		param.Text("query", &c.query).Example("_sourceCategory=shop error | count").Doc("Query. One for logs aggregates, for example with count."),
		param.Prefixed("query.", &c.queries).Doc("Metrics queries that refer to each other, each under the ID of its row, such as query.A."),
		param.Text("resultQueryRowID", &c.row).Example("C").Doc("Row of the queries query.… whose result counts."),
		param.Duration("timerange", &c.timerange, time.Second).Required().Min(1).Example("5m").Doc("Span of time, up to now, that is queried."),
		param.Text("timezone", &c.zone).Default("UTC").Doc("Time zone in which a log search reads times, such as Europe/Berlin."),
		param.Text("resultField", &c.field).Example("_count").Doc("Field of the records that holds the number, for logs."),
		param.Duration("quantization", &c.quantization, time.Second).Min(0.001).Example("15s").Doc("Span of time of one data point, for metrics."),
		param.Text("rollup", &c.rollup).OneOf("Avg", "Sum", "Count", "Min", "Max").Default("Avg").Doc("What is made of the values of one data point, for metrics."),
		param.Text("queryAggregator", &c.aggregator).OneOf("Latest", "Avg", "Sum", "Count", "Min", "Max").Default("Avg").
			Doc("What is made of all records or data points."),
		param.Float("threshold", &c.threshold).Required().Target().Doc("Value per replica."),
		param.Float("activationThreshold", &c.activation).Activation().Doc("Value above which the workload is active."),
		param.Duration("logsPollingInterval", &c.every, time.Second).Default("1s").Min(0.1).Doc("How often it is looked whether a log search is complete."),
		param.Int("maxRetries", &c.tries).Default(3).Min(1).Max(20).Doc("How often one request is made, when Sumo Logic is overloaded or limits the rate, as far as the time of a poll allows."),
	}.With(param.Group("Authentication",
		param.Text("accessID", &c.accessID).From(param.Auth).Required().Doc("ID of the access key."),
		param.Secret("accessKey", &c.accessKey).Required().Doc("Access key."),
	), c.tls.MaterialParams())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.tls.Check()
	if _, err := time.LoadLocation(c.zone); err != nil {
		ps.Errorf("metadata.timezone", "is no known time zone; expected a name such as UTC or Europe/Berlin")
	}
	switch c.queryType {
	case logs:
		if c.query == "" {
			ps.Errorf("metadata.query", "is missing; expected a search such as _sourceCategory=shop | count")
		}
		if c.field == "" {
			ps.Errorf("metadata.resultField", "is missing; expected a field of the records such as _count, since queryType is logs")
		}
		if len(c.queries) > 0 {
			ps.Errorf("metadata.query.", "has queries for rows; expected query alone, since queryType is logs")
		}
	case metrics:
		c.checkMetrics(&ps)
	}
	return ps
}

func (c *config) checkMetrics(ps *param.Problems) {
	if c.quantization == 0 {
		ps.Errorf("metadata.quantization", "is missing; expected a duration such as 15s, since queryType is metrics")
	}
	_, known := c.queries[c.row]
	switch {
	case c.query != "" && len(c.queries) > 0:
		ps.Warnf("metadata.query", "is there beside queries for rows, which are not used")
	case c.query != "":
	case len(c.queries) == 0:
		ps.Errorf("metadata.query", "is missing; expected a metrics query, or several as query.A, query.B …")
	case !known:
		ps.Errorf("metadata.resultQueryRowID", "found %q; expected the row of a query: %s", c.row, strings.Join(slices.Sorted(maps.Keys(c.queries)), ", "))
	}
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "sumologic-" + c.queryType }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&c.tls)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{BodyLimit: 8 << 20})
	if err != nil {
		return nil, err
	}
	client = client.KeepMethod()
	return conn.NewHTTPSource(client, c.address.Host, func(ctx context.Context) (scaler.Reading, error) {
		s := &session{client: client, config: c, doing: "querying Sumo Logic at " + c.address.Host}
		if c.queryType == logs {
			return s.searchLogs(ctx)
		}
		return s.queryMetrics(ctx)
	}), nil
}

// aggregate makes one number of at least one value.
func (c *config) aggregate(all []float64) float64 {
	sum := 0.0
	for _, v := range all {
		sum += v
	}
	switch c.aggregator {
	case "Latest":
		return all[len(all)-1]
	case "Sum":
		return sum
	case "Count":
		return float64(len(all))
	case "Min":
		return slices.Min(all)
	case "Max":
		return slices.Max(all)
	}
	return sum / float64(len(all))
}
