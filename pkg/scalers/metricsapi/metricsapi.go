// Package metricsapi reads a number from any HTTP endpoint: JSON, YAML, XML or
// the Prometheus text format.
//
// It owns finding the number in an answer and combining those of several
// endpoints. It refuses to guess: what is no number is an error.
package metricsapi

import (
	"context"
	"errors"
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
		Name:        "metrics-api",
		Title:       "Metrics API",
		About:       "A number in the answer of an HTTP endpoint, in JSON, YAML, XML or the Prometheus text format. It can ask every endpoint of a Kubernetes Service and combine their numbers.",
		Since:       "2.0",
		Permissions: "A GET request to the endpoint.",
		Cost:        "One HTTP request a poll; with aggregateFromKubeServiceEndpoints one for each ready endpoint.",
		ByHand:      "curl -s http://api.shop:3232/stats | jq .components.worker.tasks",
		Examples: []scaler.Example{
			{
				Title: "A field of a JSON answer",
				Metadata: map[string]string{
					"url": "http://api.shop:3232/stats", "valueLocation": "components.worker.tasks", "targetValue": "7",
				},
			},
			{
				Title: "With an API key",
				Metadata: map[string]string{
					"url": "https://api.example.com/stats", "valueLocation": "components.worker.tasks", "targetValue": "7",
					"authMode": "apiKey", "method": "header", "keyParamName": "X-Stats-Key",
				},
				Auth: map[string]string{"apiKey": "the-key"},
			},
			{
				Title: "One series of every endpoint of a Service",
				Metadata: map[string]string{
					"url": "http://worker.shop:9100/metrics", "format": "prometheus", "valueLocation": `queue_size{queue="orders"}`,
					"targetValue": "5", "aggregateFromKubeServiceEndpoints": "true", "aggregationType": "sum",
				},
			},
		},
		New: func() scaler.Config {
			return &config{auth: conn.NewHTTPAuth(conn.AuthAPIKey, conn.AuthBasic, conn.AuthTLS, conn.AuthBearer, conn.AuthCustom, conn.AuthOAuth)}
		},
	}}
}

type config struct {
	address     *url.URL
	format      string
	location    string
	target      float64
	activation  float64
	aggregate   bool
	aggregation string
	timeout     time.Duration
	auth        conn.HTTPAuth
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.URL("url", &c.address).Required().Example("http://api.shop:3232/stats").
			Doc("Address to ask. With aggregateFromKubeServiceEndpoints, `http://<service>.<namespace>:<port>/<path>` with the pods' port."),
		param.Text("format", &c.format).OneOf("json", "yaml", "xml", "prometheus").Default("json").Doc("Format of the answer."),
		param.Text("valueLocation", &c.location).Required().Example("components.worker.tasks").
			Doc("Where the number is: a GJSON path for json; names and list positions separated by dots for yaml and xml, beginning with the root element for xml; " +
				"a metric name with labels such as `queue_size{queue=\"orders\"}` for prometheus."),
		param.Float("targetValue", &c.target).Required().Target().Doc("Value per replica."),
		param.Float("activationTargetValue", &c.activation).Activation().Doc("Value above which the workload is active."),
		param.Bool("aggregateFromKubeServiceEndpoints", &c.aggregate).Default(false).
			Doc("Whether to ask every ready endpoint of the Kubernetes Service that url names, and to combine the numbers."),
		param.Text("aggregationType", &c.aggregation).OneOf("average", "sum", "max", "min").Default("average").
			Doc("How the endpoints' numbers are combined. For sum and max every endpoint has to answer, for average and min one is enough."),
		conn.TimeoutParam(&c.timeout),
	}.With(c.auth.Params())
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	ps := c.auth.Check()
	if c.format == "prometheus" {
		if _, err := parseSelector(c.location); err != nil {
			ps.Errorf("metadata.valueLocation", "found %q; expected a metric name with labels such as queue_size{queue=\"orders\"}: %v", c.location, err)
		}
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *config) Metric() string { return "metric-api-" + c.location }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	if p := env.Identity.Provider; p != "" && p != "none" {
		return nil, scaler.Misconfigured(nil, "podIdentity %s means nothing to a metrics-api trigger; use authMode", p)
	}
	find, err := finderOf(c.format, c.location)
	if err != nil {
		return nil, scaler.Misconfigured(err, "reading valueLocation")
	}
	if c.aggregate && env.Cluster == nil {
		return nil, scaler.Misconfigured(errors.New("there is no cluster to look the Service up in"), "opening a metrics-api trigger")
	}
	client, err := conn.OpenHTTP(env, &c.auth, conn.HTTPSettings{Timeout: c.timeout})
	if err != nil {
		return nil, err
	}
	s := &source{client: client, config: c, find: find, cluster: env.Cluster, namespace: env.Namespace, service: c.address.Hostname()}
	if name, rest, ok := strings.Cut(s.service, "."); ok {
		s.service = name
		s.namespace, _, _ = strings.Cut(rest, ".")
	}
	return s, nil
}
