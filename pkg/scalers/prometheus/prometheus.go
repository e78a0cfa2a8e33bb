// Package prometheus measures instant queries of Prometheus and of servers
// with its query API (Thanos, Mimir, VictoriaMetrics), and of Loki, whose API
// is Prometheus' at another path.
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
func Kinds() []scaler.Kind { return []scaler.Kind{prometheusKind(), lokiKind(), ionosKind()} }

func prometheusKind() scaler.Kind {
	return scaler.Kind{
		Name:  "prometheus",
		Title: "Prometheus",
		About: "The result of an instant query: one series, a scalar, or a string that holds a number. " +
			"It works with every server that has Prometheus' query API, such as Thanos, Mimir and VictoriaMetrics.",
		Since: "1.0",
		Permissions: "Reading `/api/v1/query`; nothing else is asked. " +
			"Amazon Managed Service for Prometheus: `aps:QueryMetrics` on the workspace, for the identity of a podIdentity aws or of the keys or role given. " +
			"Azure Monitor managed Prometheus: the role Monitoring Data Reader on the Azure Monitor workspace, for a podIdentity azure-workload. " +
			"Google Cloud Managed Service for Prometheus: the role roles/monitoring.viewer, for a podIdentity gcp or a service account's key.",
		Cost: "One HTTP request a poll; equal queries of many triggers are asked once. " +
			"The clouds' managed servers bill queries: Amazon and Azure by the samples they read, so long ranges cost most, Google by the requests or the series they return.",
		ByHand: `curl -sG http://prometheus.monitoring:9090/api/v1/query --data-urlencode 'query=sum(rate(http_requests_total{app="shop"}[2m]))'`,
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
			{
				Title: "Amazon Managed Service for Prometheus",
				Metadata: map[string]string{
					"serverAddress": "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-0a1b2c3d",
					"query":         `sum(rate(http_requests_total{app="shop"}[2m]))`,
					"threshold":     "100",
					"awsRegion":     "eu-west-1",
				},
				Identity: "aws",
			},
			{
				Title: "Azure Monitor managed Prometheus",
				Metadata: map[string]string{
					"serverAddress": "https://shop-1a2b.westeurope.prometheus.monitor.azure.com",
					"query":         `sum(rate(http_requests_total{app="shop"}[2m]))`,
					"threshold":     "100",
				},
				Identity: "azure-workload",
			},
			{
				Title: "Google Cloud Managed Service for Prometheus",
				Metadata: map[string]string{
					"serverAddress": "https://monitoring.googleapis.com/v1/projects/shop-1/location/global/prometheus",
					"query":         `sum(rate(http_requests_total{app="shop"}[2m]))`,
					"threshold":     "100",
				},
				Identity: "gcp",
			},
		},
		New: func() scaler.Config {
			return &config{auth: conn.NewHTTPAuth(conn.AuthBasic, conn.AuthBearer, conn.AuthTLS, conn.AuthCustom, conn.AuthOAuth)}
		},
	}
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
	cortexTenant  string
	auth          conn.HTTPAuth
	clouds        clouds
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
		param.Text("cortexOrgID", &c.cortexTenant).Deprecated("use customHeaders with X-Scope-OrgID").
			Doc("Tenant of Cortex or Mimir, sent as the header X-Scope-OrgID."),
	}.With(c.auth.Params(), c.clouds.params())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := append(c.auth.Check(), c.clouds.check(c.address)...)
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
	identity, err := c.identity(env)
	if err != nil {
		return nil, err
	}
	client, err := conn.OpenHTTP(env, &c.auth, conn.HTTPSettings{Timeout: c.timeout, Identity: identity})
	if err != nil {
		return nil, err
	}
	return &source{
		client: client, at: c.endpoint(), header: c.header(), zeroWhenEmpty: c.zeroWhenEmpty,
		server: dialect{name: "Prometheus", path: "/api/v1"},
	}, nil
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
	if c.cortexTenant != "" {
		h.Set("X-Scope-OrgID", c.cortexTenant)
	}
	for name, value := range c.headers {
		h.Set(name, value)
	}
	return h
}
