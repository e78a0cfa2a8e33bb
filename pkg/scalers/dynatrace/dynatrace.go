// Package dynatrace measures metric selectors of Dynatrace's metrics API, and
// DQL queries of Grail.
//
// It owns the requests, the wait for a query's result and the choice of the
// value that counts. It refuses results without a value, which are no zero.
package dynatrace

import (
	"context"
	"net/url"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "dynatrace",
		Title:       "Dynatrace",
		About:       "The first value of a metric selector, or the field `r` of a DQL query's first record.",
		Since:       "2.15",
		Permissions: "An access token with the scope `metrics.read` for metricSelector; a platform token with `storage:buckets:read` and reading of the tables, such as `storage:metrics:read`, for query.",
		Cost:        "One HTTP request a poll for metricSelector. A query takes one request more for every time its result is asked for, and Dynatrace bills what it scans. Equal triggers are asked once.",
		ByHand:      `curl -sG https://abc12345.live.dynatrace.com/api/v2/metrics/query -H "Authorization: Api-Token $TOKEN" -d from=now-30m --data-urlencode 'metricSelector=shop.orders.waiting:fold(avg)'`,
		Examples: []scaler.Example{
			{
				Title: "A metric selector",
				Metadata: map[string]string{
					"host":           "https://abc12345.live.dynatrace.com",
					"metricSelector": `shop.orders.waiting:filter(eq("site","berlin")):sum:fold(avg)`,
					"from":           "now-30m",
					"threshold":      "100",
				},
				Auth: map[string]string{"token": "dt0c01.the-token"},
			},
			{
				Title: "A DQL query",
				Metadata: map[string]string{
					"query":     "timeseries { r = max(`shop.orders.waiting`, scalar: true) }, from:now()-30m",
					"threshold": "100",
				},
				Auth: map[string]string{"host": "https://abc12345.apps.dynatrace.com", "token": "dt0s16.the-token"},
			},
		},
		New: func() scaler.Config { return &config{} },
	}}
}

type config struct {
	host       *url.URL
	token      param.Hidden
	selector   string
	from       string
	query      string
	timeout    int64
	wait       time.Duration
	tries      int64
	threshold  float64
	activation float64
	has        struct{ from, timeout, wait, tries bool }
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("host", &c.host).From(param.Metadata, param.Auth).Required().Example("https://abc12345.live.dynatrace.com").
			Doc("Address of the environment: that of its API for metricSelector, that of its apps for query."),
		param.Text("metricSelector", &c.selector).Example("shop.orders.waiting:sum:fold(avg)").
			Doc("Metric selector whose result is one series of one value; of several the first counts."),
		param.Text("from", &c.from).Default("now-2h").IsSet(&c.has.from).Doc("Where the span of time of metricSelector begins; it ends now."),
		param.Text("query", &c.query).Example("timeseries { r = max(`shop.orders.waiting`, scalar: true) }, from:now()-30m").Since("2.19").
			Doc("DQL query, with its span of time, whose first record has a number in the field `r`."),
		param.Int("queryTimeoutSeconds", &c.timeout).Default(10).Min(1).IsSet(&c.has.timeout).Since("2.19").Doc("How long Dynatrace may run the query, in seconds."),
		param.Duration("queryPollingWait", &c.wait, time.Second).Default("1s").Min(0).IsSet(&c.has.wait).Since("2.19").Doc("How long to wait before the query's result is asked for again."),
		param.Int("queryPollingTries", &c.tries).Default(5).Min(1).Max(1000).IsSet(&c.has.tries).Since("2.19").Doc("How often the query's result is asked for at most."),
		param.Float("threshold", &c.threshold).Required().Target().Doc("Value per replica."),
		param.Float("activationThreshold", &c.activation).Activation().Doc("Value above which the workload is active."),
	}.With(param.Group("Authentication",
		param.Secret("token", &c.token).Required().Doc("Access token for metricSelector, platform token for query."),
	))
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	var ps param.Problems
	switch {
	case c.selector == "" && c.query == "":
		ps.Errorf("metadata.metricSelector", "is missing, and query too; expected one of them")
	case c.selector != "" && c.query != "":
		ps.Errorf("metadata.metricSelector", "found one beside query; expected only one of them")
	}
	unused := func(name string, given bool, of string) {
		if given {
			ps.Warnf("metadata."+name, "has no effect, since it belongs to %s", of)
		}
	}
	if c.query != "" {
		unused("from", c.has.from, "metricSelector; a query names its span of time itself")
		return ps
	}
	unused("queryTimeoutSeconds", c.has.timeout, "query")
	unused("queryPollingWait", c.has.wait, "query")
	unused("queryPollingTries", c.has.tries, "query")
	return ps
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "dynatrace" }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	auth := conn.WithTLS(&conn.TLS{})
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	a := &asker{config: c, client: client.KeepMethod(), doing: "querying Dynatrace at " + c.host.Host}
	if c.query != "" {
		return conn.NewHTTPSource(client, c.host.Host, a.dql), nil
	}
	return conn.NewHTTPSource(client, c.host.Host, a.metrics), nil
}

// asker asks for one trigger.
type asker struct {
	*config
	client *conn.HTTPClient
	doing  string
}
