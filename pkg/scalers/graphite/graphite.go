// Package graphite measures a target of Graphite's render API.
//
// It owns the request and the choice of the point that counts. It refuses
// targets that are not one series.
package graphite

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "graphite",
		Title:       "Graphite",
		About:       "The last value of a target's series within a span of time, such as `sumSeries(queue.*.depth)`.",
		Since:       "2.4",
		Permissions: "Reading `/render`; nothing else is asked.",
		Cost:        "One HTTP request a poll; equal queries of many triggers are asked once.",
		ByHand:      `curl -sG http://graphite.monitoring:8080/render --data-urlencode 'target=sumSeries(queue.*.depth)' -d from=-10min -d format=json`,
		Examples: []scaler.Example{
			{
				Title: "Depth of all queues",
				Metadata: map[string]string{
					"serverAddress": "http://graphite.monitoring:8080",
					"query":         "sumSeries(queue.*.depth)",
					"queryTime":     "-10Minutes",
					"threshold":     "100",
				},
			},
			{
				Title: "With basic authentication",
				Metadata: map[string]string{
					"serverAddress": "https://graphite.example.com",
					"query":         "sumSeries(queue.*.depth)",
					"queryTime":     "-10Minutes",
					"threshold":     "100",
					"authMode":      "basic",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
		},
		New: func() scaler.Config { return &config{auth: conn.NewHTTPAuth(conn.AuthBasic)} },
	}}
}

type config struct {
	address    *url.URL
	query      string
	from       string
	threshold  float64
	activation float64
	metricName string
	auth       conn.HTTPAuth
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("serverAddress", &c.address).Required().Example("http://graphite.monitoring:8080").
			Doc("Address of the server, with the path under which `/render` is."),
		param.Text("query", &c.query).Required().Example("sumSeries(queue.*.depth)").Doc("Target whose result is one series."),
		param.Text("queryTime", &c.from).Required().Example("-10Minutes").
			Doc("Where the span of time begins, as Graphite's `from`; it ends now."),
		param.Float("threshold", &c.threshold).Default(100).Target().Doc("Value of the series per replica."),
		param.Float("activationThreshold", &c.activation).Activation().Doc("Value of the series above which the workload is active."),
		param.Text("metricName", &c.metricName).Deprecated("leave it out; the metric is named after the trigger").
			Doc("Name of the metric, without effect."),
	}.With(c.auth.Params())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems { return c.auth.Check() }

// Metric implements scaler.Config.
func (c *config) Metric() string { return "graphite" }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, err := conn.OpenHTTP(env, &c.auth, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	at := c.address.JoinPath("render")
	q := at.Query()
	q.Set("target", c.query)
	q.Set("from", c.from)
	q.Set("format", "json")
	at.RawQuery = q.Encode()
	return conn.NewHTTPSource(client, at.Host, func(ctx context.Context) (scaler.Reading, error) {
		doing := "querying Graphite at " + at.Host
		var got []series
		refusals := conn.Refusals{BadRequest: "expected a query and a queryTime that Graphite draws"}
		if err := client.AskJSON(ctx, conn.NewGet(at, nil), refusals, &got, doing); err != nil {
			return scaler.Reading{}, err
		}
		return last(got, doing)
	}), nil
}

// series is one of the render API's JSON answer; a point is a value, null
// where there is none, and the time in seconds since 1970:
// https://graphite.readthedocs.io/en/latest/render_api.html#json
type series struct {
	Points [][2]*float64 `json:"datapoints"`
}

// last is the newest value there is.
func last(got []series, doing string) (scaler.Reading, error) {
	switch len(got) {
	case 0:
		return scaler.Reading{Empty: true, Note: "the query found no series, which counts as 0"}, nil
	case 1:
	default:
		return scaler.Reading{}, scaler.Misconfigured(fmt.Errorf("the query returned %d series; expected one, for example with sumSeries(…)", len(got)), "%s", doing)
	}
	points := got[0].Points
	for i := len(points) - 1; i >= 0; i-- {
		if v := points[i][0]; v != nil {
			return scaler.Reading{Value: *v}, nil
		}
	}
	return scaler.Reading{Empty: true}, scaler.Missing(errors.New("the series has no value within the span of queryTime"), "%s", doing)
}
