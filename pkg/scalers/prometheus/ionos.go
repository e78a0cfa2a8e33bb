package prometheus

import (
	"context"
	"net/http"
	"net/url"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// ionosPath is where the instant queries of a pipeline of IONOS Monitoring
// are, which is Mimir's API.
const ionosPath = "/prometheus/api/v1/query"

func ionosKind() scaler.Kind {
	return scaler.Kind{
		Name:        "ionos-monitoring",
		Title:       "IONOS Monitoring",
		About:       "The result of an instant query of a pipeline of IONOS Cloud's Monitoring: one series, or a scalar.",
		Since:       "2.20",
		Permissions: "The key of the pipeline, which IONOS shows once when the pipeline is made; nothing but `/prometheus/api/v1/query` is asked.",
		Cost:        "One HTTP request a poll; equal queries of many triggers are asked once.",
		ByHand:      `curl -sG https://123456789-metrics.987654321.monitoring.de-txl.ionos.com/prometheus/api/v1/query -H 'Authorization: Bearer THE-KEY' --data-urlencode 'query=sum(rate(http_requests_total{app="shop"}[2m]))'`,
		Examples: []scaler.Example{{
			Title: "Requests a second",
			Metadata: map[string]string{
				"host":      "https://123456789-metrics.987654321.monitoring.de-txl.ionos.com",
				"query":     `sum(rate(http_requests_total{app="shop"}[2m]))`,
				"threshold": "100",
			},
			Auth: map[string]string{"apiKey": "the-key"},
		}},
		New: func() scaler.Config { return &ionos{} },
	}
}

type ionos struct {
	address       *url.URL
	query         string
	threshold     float64
	activation    float64
	zeroWhenEmpty bool
	key           param.Hidden
}

// Params implements scaler.Config.
func (c *ionos) Params() param.Set {
	return param.Set{
		param.URL("host", &c.address).Required().Example("https://123456789-metrics.987654321.monitoring.de-txl.ionos.com").
			Doc("HTTP endpoint of the pipeline, as IONOS shows it."),
		param.Text("query", &c.query).Required().Example(`sum(rate(http_requests_total{app="shop"}[2m]))`).
			Doc("Query whose result is one number."),
		param.Float("threshold", &c.threshold).Required().Target().Doc("Value of the query per replica."),
		param.Float("activationThreshold", &c.activation).Activation().Doc("Value of the query above which the workload is active."),
		param.Bool("ignoreNullValues", &c.zeroWhenEmpty).Default(true).
			Doc("Whether a query that finds no series counts as 0; otherwise it is a failure."),
	}.With(param.Group("Authentication",
		param.Secret("apiKey", &c.key).Required().Doc("Key of the pipeline."),
	))
}

// Metric implements scaler.Config.
func (c *ionos) Metric() string { return "ionos-monitoring" }

// Open implements scaler.Config.
func (c *ionos) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, err := conn.OpenHTTP(env, &conn.HTTPAuth{}, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	return &source{
		client: client, at: below(c.address, ionosPath, c.query), zeroWhenEmpty: c.zeroWhenEmpty,
		header: http.Header{"Accept": {"application/json"}, "Authorization": {"Bearer " + c.key.Reveal()}},
		server: dialect{name: "IONOS Monitoring", path: "/prometheus/api/v1"},
	}, nil
}
