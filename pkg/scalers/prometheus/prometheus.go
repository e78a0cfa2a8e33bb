// Package prometheus measures instant queries of Prometheus and of servers
// with its query API (Thanos, Mimir, VictoriaMetrics).
//
// It owns the query and the reading of its result. It refuses results that
// are not one finite number.
package prometheus

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:  "prometheus",
		Title: "Prometheus",
		About: "The result of an instant query: one series, a scalar, or a string that holds a number. " +
			"It works with every server that has Prometheus' query API, such as Thanos, Mimir and VictoriaMetrics.",
		Since:       "1.0",
		Permissions: "Reading `/api/v1/query`; nothing else is asked.",
		Cost:        "One HTTP request a poll; equal queries of many triggers are asked once.",
		ByHand:      `curl -sG http://prometheus.monitoring:9090/api/v1/query --data-urlencode 'query=sum(rate(http_requests_total{app="shop"}[2m]))'`,
		Examples: []scaler.Example{
			{
				Title: "Requests a second",
				Metadata: map[string]string{
					"serverAddress": "http://prometheus.monitoring:9090",
					"query":         `sum(rate(http_requests_total{app="shop"}[2m]))`,
					"threshold":     "100",
				},
			},
			{
				Title: "With basic authentication",
				Metadata: map[string]string{
					"serverAddress": "https://prometheus.example.com",
					"query":         `sum(rate(http_requests_total{app="shop"}[2m]))`,
					"threshold":     "100",
					"authModes":     "basic",
				},
				Auth: map[string]string{"username": "keda", "password": "the-password"},
			},
			{
				Title: "Thanos with a tenant header",
				Metadata: map[string]string{
					"serverAddress":   "http://thanos-query.monitoring:9090",
					"query":           `sum(queue_depth{queue="orders"})`,
					"threshold":       "20",
					"namespace":       "shop",
					"customHeaders":   "X-Scope-OrgID=shop",
					"queryParameters": "partial_response=false",
				},
			},
		},
		New: func() scaler.Config {
			return &config{auth: conn.NewHTTPAuth(conn.AuthBasic, conn.AuthBearer, conn.AuthTLS, conn.AuthCustom, conn.AuthOAuth)}
		},
	}}
}

type config struct {
	address       *url.URL
	query         string
	threshold     float64
	activation    float64
	namespace     string
	headers       map[string]string
	parameters    map[string]string
	zeroWhenEmpty bool
	timeout       time.Duration
	metricName    string
	awsRegion     string
	identityOwner string
	auth          conn.HTTPAuth
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("serverAddress", &c.address).Required().Example("http://prometheus.monitoring:9090").
			Doc("Address of the server, with the path under which `/api/v1/query` is."),
		param.Text("query", &c.query).Required().Example(`sum(rate(http_requests_total{app="shop"}[2m]))`).
			Doc("Query whose result is one number."),
		param.Float("threshold", &c.threshold).Required().Target().Doc("Value of the query per replica."),
		param.Float("activationThreshold", &c.activation).Activation().Doc("Value of the query above which the workload is active."),
		param.Text("namespace", &c.namespace).Doc("Sent as the query parameter `namespace`, which namespaced proxies such as Thanos' need."),
		param.Map("customHeaders", &c.headers).Example("X-Scope-OrgID=shop").Doc("HTTP headers sent with the query; credentials belong in the authenticationRef."),
		param.Map("queryParameters", &c.parameters).Example("partial_response=false").Doc("Query parameters sent with the query."),
		param.Bool("ignoreNullValues", &c.zeroWhenEmpty).Default(true).
			Doc("Whether a query that finds no series counts as 0; otherwise it is a failure."),
		conn.TimeoutParam(&c.timeout),
		param.Text("metricName", &c.metricName).Deprecated("leave it out; the metric is named after the trigger").
			Doc("Name of the metric, without effect."),
		param.Text("awsRegion", &c.awsRegion).From(param.Metadata, param.Auth).
			Doc("Region of an Amazon Managed Service for Prometheus workspace; signing requests for it is not supported yet."),
		param.Text("identityOwner", &c.identityOwner).Doc("Whose AWS identity signs requests; not supported yet."),
	}.With(c.auth.Params())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.auth.Check()
	for name, value := range c.headers {
		if strings.EqualFold(name, "Authorization") && value != "" {
			ps.Warnf("metadata.customHeaders", "holds a credential in plain text")
			ps.Hint("use authModes and an authenticationRef")
		}
	}
	return ps
}

// Metric implements scaler.Config.
func (c *config) Metric() string { return "prometheus" }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	switch env.Identity.Provider {
	case "", "none":
	default:
		return nil, scaler.Misconfigured(nil, "podIdentity %s is not supported yet by the prometheus trigger; use authModes", env.Identity.Provider)
	}
	client, err := conn.OpenHTTP(env, &c.auth, conn.HTTPSettings{Timeout: c.timeout})
	if err != nil {
		return nil, err
	}
	return &source{client: client, config: c, at: c.endpoint(), header: c.header()}, nil
}

// endpoint is the address asked, with all query parameters.
func (c *config) endpoint() *url.URL {
	at := c.address.JoinPath("api/v1/query")
	q := at.Query()
	for name, value := range c.parameters {
		q.Set(name, value)
	}
	if c.namespace != "" {
		q.Set("namespace", c.namespace)
	}
	q.Set("query", c.query)
	at.RawQuery = q.Encode()
	return at
}

func (c *config) header() http.Header {
	h := http.Header{"Accept": {"application/json"}}
	for name, value := range c.headers {
		h.Set(name, value)
	}
	return h
}
