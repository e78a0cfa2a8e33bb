// Package datadog measures queries of Datadog, through its API or through a
// cluster agent that asks for all DatadogMetrics of a cluster at once.
//
// It owns the requests and the choice of the point that counts. It refuses
// several series without an aggregator, since none of them is the first.
package datadog

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Kinds lists the trigger types of this package.
func Kinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "datadog",
		Title:       "Datadog",
		About:       "The last point of a Datadog query, or the value of a DatadogMetric that the cluster agent holds.",
		Since:       "2.6",
		Permissions: "An API key, and an application key with the scope `timeseries_query`. The cluster agent instead wants the token of a service account that may get `external.metrics.k8s.io` in the DatadogMetric's namespace.",
		Cost:        "One API request a poll, which counts against the account's rate limit for queries; equal queries of many triggers are asked once. Through the cluster agent one request inside the cluster and none to Datadog.",
		ByHand:      `curl -sG https://api.datadoghq.com/api/v1/query -H "DD-API-KEY: $API_KEY" -H "DD-APPLICATION-KEY: $APP_KEY" -d from=$(($(date +%s)-90)) -d to=$(date +%s) --data-urlencode 'query=sum:shop.orders.waiting{env:prod}'`,
		Examples:    examples(),
		New:         func() scaler.Config { return &config{api: api, agent: agent} },
	}}
}

func examples() []scaler.Example {
	return []scaler.Example{
		{
			Title: "Orders that wait",
			Metadata: map[string]string{
				"query":                  "sum:shop.orders.waiting{env:prod}",
				"targetValue":            "7.5",
				"age":                    "120",
				"metricUnavailableValue": "0",
			},
			Auth: map[string]string{"apiKey": "the-key", "appKey": "the-application-key", "datadogSite": "datadoghq.eu"},
		},
		{
			Title: "The larger of two queries, without the newest point",
			Metadata: map[string]string{
				"query":                    "sum:shop.orders.waiting{env:prod},sum:shop.orders.failed{env:prod}",
				"queryAggregator":          "max",
				"targetValue":              "10",
				"lastAvailablePointOffset": "1",
			},
			Auth: map[string]string{"apiKey": "the-key", "appKey": "the-application-key"},
		},
		{
			Title: "A DatadogMetric of the cluster agent",
			Metadata: map[string]string{
				"useClusterAgentProxy":   "true",
				"datadogMetricName":      "orders-waiting",
				"datadogMetricNamespace": "shop",
				"targetValue":            "10",
			},
			Auth: map[string]string{
				"datadogNamespace": "datadog", "datadogMetricsService": "datadog-cluster-agent-metrics-api",
				"authMode": "bearer", "token": "the-token", "unsafeSsl": "false",
			},
		},
	}
}

type config struct {
	proxy  bool
	target float64
	fill   float64
	filled bool

	query           string
	aggregator      string
	age             int64
	windowOffset    int64
	pointOffset     int64
	activation      float64
	apiKey          param.Hidden
	appKey          param.Hidden
	site            string
	hasAPI, hasApp  bool
	metricName      string
	metricNamespace string
	proxyActivation float64
	agentService    string
	agentNamespace  string
	agentPort       int64
	modes           []string
	token           param.Hidden
	hasToken        bool
	tls             conn.TLS
	timeout         time.Duration
	unused          string

	api   func(site string) *url.URL
	agent func(host string) *url.URL
}

// Params implements scaler.Config.
func (c *config) Params() param.Set {
	return param.Set{
		param.Float("targetValue", &c.target).Alias("queryValue").Required().Target().Doc("Value per replica."),
		param.Float("metricUnavailableValue", &c.fill).IsSet(&c.filled).
			Doc("Value that counts when Datadog has none; without it that is a failure."),
		param.Bool("useClusterAgentProxy", &c.proxy).Default(false).Since("2.15").
			Doc("Whether to ask the cluster agent for a DatadogMetric instead of asking Datadog for a query."),
		conn.TimeoutParam(&c.timeout),
		param.Text("type", &c.unused).Deprecated("use the trigger's metricType").Doc("Kind of the target, without effect."),
		param.Text("hpaMetricName", &c.unused).Deprecated("leave it out; the metric is named after what is measured").Doc("Name of the metric, without effect."),
	}.With(c.queryParams(), c.agentParams())
}

func (c *config) queryParams() param.Set {
	return param.Group("Query of Datadog",
		param.Text("query", &c.query).Example("sum:shop.orders.waiting{env:prod}").
			Doc("Query with its scope in braces; several are separated by commas."),
		param.Text("queryAggregator", &c.aggregator).OneOf("average", "max").
			Doc("Which number several series give; required where the query gives several."),
		param.Float("activationQueryValue", &c.activation).Activation().Doc("Value of the query above which the workload is active."),
		param.Int("age", &c.age).Default(90).Min(0).Doc("Span of time that is queried, in seconds."),
		param.Int("timeWindowOffset", &c.windowOffset).Default(0).Min(0).Doc("How long before now that span ends, in seconds."),
		param.Int("lastAvailablePointOffset", &c.pointOffset).Default(0).Min(0).Doc("How many points before the last one counts."),
		param.Secret("apiKey", &c.apiKey).IsSet(&c.hasAPI).Doc("API key."),
		param.Secret("appKey", &c.appKey).IsSet(&c.hasApp).Doc("Application key."),
		param.Text("datadogSite", &c.site).From(param.Auth).Default("datadoghq.com").Doc("Site of the account, as in the address of its web page."),
	)
}

func (c *config) agentParams() param.Set {
	set := param.Group("Cluster agent",
		param.Text("datadogMetricName", &c.metricName).Example("orders-waiting").Doc("Name of the DatadogMetric."),
		param.Text("datadogMetricNamespace", &c.metricNamespace).Example("shop").Doc("Namespace of the DatadogMetric."),
		param.Float("activationTargetValue", &c.proxyActivation).Default(0).Doc("Value of the DatadogMetric above which the workload is active."),
		param.Text("datadogMetricsService", &c.agentService).From(param.Auth).Example("datadog-cluster-agent-metrics-api").Doc("Service of the cluster agent's metrics API."),
		param.Text("datadogNamespace", &c.agentNamespace).From(param.Auth).Example("datadog").Doc("Namespace of the cluster agent."),
		param.Int("datadogMetricsServicePort", &c.agentPort).From(param.Auth).Default(8443).Min(1).Max(65535).Doc("Port of the service."),
		param.List("authModes", &c.modes).Alias("authMode").From(param.Metadata, param.Auth).Doc("How to authenticate at the cluster agent: bearer."),
		param.Secret("token", &c.token).Alias("bearerToken").IsSet(&c.hasToken).Doc("Token for the mode bearer."),
	).With(c.tls.MaterialParams())
	for i, f := range set.Describe() {
		if f.Name == "unsafeSsl" {
			set[i].From(param.Auth, param.Metadata)
		}
	}
	return set
}

// Check implements scaler.Checker.
func (c *config) Check() param.Problems {
	if c.proxy {
		return c.checkAgent()
	}
	var ps param.Problems
	open := strings.IndexByte(c.query, '{')
	switch {
	case c.query == "":
		ps.Errorf("metadata.query", "is missing; expected a query, since useClusterAgentProxy is false")
	case open < 0 || !strings.Contains(c.query[open:], "}"):
		ps.Errorf("metadata.query", "has no scope; expected one in braces, such as sum:shop.orders.waiting{env:prod}, or {*} for everything")
	}
	for name, given := range map[string]bool{"apiKey": c.hasAPI, "appKey": c.hasApp} {
		if !given {
			ps.Errorf("authenticationRef."+name, "is missing; expected a key, since useClusterAgentProxy is false")
		}
	}
	slices.SortFunc(ps, func(a, b param.Problem) int { return cmp.Compare(a.Path, b.Path) })
	if !isHost(c.site) {
		ps.Errorf("authenticationRef.datadogSite", "is no site; expected one such as datadoghq.com, without a scheme or a path")
	}
	if c.age < 60 {
		ps.Warnf("metadata.age", "found %d; Datadog may have no point that new", c.age)
		ps.Hint("expected 60 or more")
	}
	return ps
}

func (c *config) checkAgent() param.Problems {
	ps := c.tls.Check()
	for _, p := range []struct{ path, value string }{
		{"metadata.datadogMetricName", c.metricName},
		{"metadata.datadogMetricNamespace", c.metricNamespace},
		{"authenticationRef.datadogMetricsService", c.agentService},
		{"authenticationRef.datadogNamespace", c.agentNamespace},
	} {
		switch {
		case p.value == "":
			ps.Errorf(p.path, "is missing; expected a name, since useClusterAgentProxy is true")
		case !isHost(p.value):
			ps.Errorf(p.path, "is no name of an object in the cluster")
		}
	}
	for _, m := range c.modes {
		if !strings.EqualFold(m, conn.AuthBearer) {
			ps.Errorf("metadata.authModes", "found %q; expected bearer", m)
		}
	}
	if len(c.modes) > 0 && !c.hasToken {
		ps.Errorf("authenticationRef.token", "is missing; expected a value, since authModes has bearer")
	}
	return ps
}

// isHost says whether a text can be a part of a server's name and of a path.
func isHost(text string) bool {
	return text != "" && len(text) <= 253 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == "" &&
		!strings.Contains(text, "..")
}

// Target implements scaler.Targeter.
func (c *config) Target() (target, activation float64) {
	if c.proxy {
		return c.target, c.proxyActivation
	}
	return c.target, c.activation
}

// Metric implements scaler.Config.
func (c *config) Metric() string {
	if c.proxy {
		return c.object()
	}
	name, _, _ := strings.Cut(c.query, "{")
	return "datadog-" + name
}

// object is the name by which the cluster agent knows a DatadogMetric.
func (c *config) object() string { return "datadogmetric@" + c.metricNamespace + ":" + c.metricName }

// api is where a site's API is:
// https://docs.datadoghq.com/getting_started/site/
func api(site string) *url.URL {
	return &url.URL{Scheme: "https", Host: "api." + site}
}

// agent is where the metrics API of a cluster agent is.
func agent(host string) *url.URL { return &url.URL{Scheme: "https", Host: host} }

// Open implements scaler.Config.
func (c *config) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	t := c.tls
	if !c.proxy {
		t = conn.TLS{} // those of the cluster agent say nothing of Datadog
	}
	auth := conn.WithTLS(&t)
	client, err := conn.OpenHTTP(env, &auth, conn.HTTPSettings{Timeout: c.timeout})
	if err != nil {
		return nil, err
	}
	a := &asker{config: c, client: client}
	if c.proxy {
		a.at = c.agent(c.agentService+"."+c.agentNamespace+":"+strconv.FormatInt(c.agentPort, 10)).
			JoinPath("apis/external.metrics.k8s.io/v1beta1/namespaces", c.metricNamespace, c.object())
		return conn.NewHTTPSource(client, a.at.Host, a.askAgent), nil
	}
	a.at = c.api(c.site).JoinPath("api/v1/query")
	return conn.NewHTTPSource(client, a.at.Host, a.askAPI), nil
}
