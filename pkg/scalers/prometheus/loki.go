package prometheus

import (
	"context"
	"net/http"
	"net/url"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// lokiPath is where Loki's instant queries are:
// https://grafana.com/docs/loki/latest/reference/loki-http-api/
const lokiPath = "/loki/api/v1/query"

func lokiKind() scaler.Kind {
	return scaler.Kind{
		Name:        "loki",
		Title:       "Grafana Loki",
		About:       "The result of an instant LogQL query that counts: one series, or a scalar.",
		Since:       "2.9",
		Permissions: "Reading `/loki/api/v1/query` of the tenant; nothing else is asked.",
		Cost:        "One HTTP request a poll; equal queries of many triggers are asked once. Loki reads all lines of the range that the query names. Grafana Cloud bills heavy querying beyond what it includes.",
		ByHand:      `curl -sG http://loki.monitoring:3100/loki/api/v1/query -H 'X-Scope-OrgID: shop' --data-urlencode 'query=sum(rate({app="shop"} |= "order" [1m]))'`,
		Examples: []scaler.Example{
			{
				Title: "Lines a second",
				Metadata: map[string]string{
					"serverAddress": "http://loki.monitoring:3100",
					"query":         `sum(rate({app="shop"} |= "order" [1m]))`,
					"threshold":     "10",
					"tenantName":    "shop",
				},
			},
			{
				Title: "Grafana Cloud",
				Metadata: map[string]string{
					"serverAddress": "https://logs-prod-012.grafana.net",
					"query":         `sum(count_over_time({app="shop"} |= "error" [5m]))`,
					"threshold":     "50",
					"authModes":     "basic",
				},
				Auth: map[string]string{"username": "123456", "password": "the-token"},
			},
		},
		New: func() scaler.Config {
			return &loki{auth: conn.NewHTTPAuth(conn.AuthBasic, conn.AuthBearer, conn.AuthCustom)}
		},
	}
}

type loki struct {
	address       *url.URL
	query         string
	threshold     float64
	activation    float64
	tenant        string
	zeroWhenEmpty bool
	auth          conn.HTTPAuth
}

// Params implements scaler.Config.
func (c *loki) Params() param.Set {
	return param.Set{
		param.URL("serverAddress", &c.address).Required().Example("http://loki.monitoring:3100").
			Doc("Address of the server, with the path under which `/loki/api/v1/query` is."),
		param.Text("query", &c.query).Required().Example(`sum(rate({app="shop"} |= "order" [1m]))`).
			Doc("LogQL query whose result is one number."),
		param.Float("threshold", &c.threshold).Required().Target().Doc("Value of the query per replica."),
		param.Float("activationThreshold", &c.activation).Activation().Doc("Value of the query above which the workload is active."),
		param.Text("tenantName", &c.tenant).Example("shop").Doc("Tenant, sent as the header X-Scope-OrgID."),
		param.Bool("ignoreNullValues", &c.zeroWhenEmpty).Default(true).
			Doc("Whether a query that finds no series counts as 0; otherwise it is a failure."),
	}.With(c.auth.Params())
}

// Check implements scaler.Checker.
func (c *loki) Check() param.Problems { return c.auth.Check() }

// Metric implements scaler.Config.
func (c *loki) Metric() string { return "loki" }

// Open implements scaler.Config.
func (c *loki) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, err := conn.OpenHTTP(env, &c.auth, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	header := http.Header{"Accept": {"application/json"}}
	if c.tenant != "" {
		header.Set("X-Scope-OrgID", c.tenant)
	}
	return &source{
		client: client, at: below(c.address, lokiPath, c.query), header: header, zeroWhenEmpty: c.zeroWhenEmpty,
		server: dialect{name: "Loki", path: "/loki/api/v1", logs: true},
	}, nil
}
