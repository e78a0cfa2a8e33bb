package azuremonitor

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func insightsKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "azure-app-insights",
		Title:       "Azure Application Insights",
		About:       "A statistic of a metric of an application over a span of time until now, such as requests/duration or customMetrics/backlog.",
		Since:       "2.6",
		Permissions: "The role Monitoring Reader on the Application Insights resource.",
		Cost:        "One request a poll, which is free; equal metrics of many triggers are asked once. A user may send 200 requests in 30 seconds.",
		ByHand:      "az monitor app-insights metrics show --app APPLICATION --metrics requests/count --aggregation sum --offset 0h5m",
		Examples: []scaler.Example{
			{
				Title:    "Requests of five minutes, with an application's secret",
				Metadata: exampleInsights("activeDirectoryClientId", exampleClient),
				Auth:     map[string]string{"activeDirectoryClientPassword": "the-secret"},
			},
			{
				Title:    "A filtered metric, whose absence counts as 0, with workload identity",
				Metadata: exampleInsights("metricFilter", "cloud/roleName eq 'checkout'", "ignoreNullValues", "true"),
				Identity: conn.AzureWorkload,
			},
		},
		New: func() scaler.Config {
			return &insightsConfig{service: service{kind: conn.AzureInsights, parameter: "appInsightsResourceURL"}}
		},
	}}
}

// exampleInsights is a trigger with pairs of name and value added.
func exampleInsights(pairs ...string) map[string]string {
	m := map[string]string{
		"metricId": "requests/count", "metricAggregationType": "sum", "metricAggregationTimespan": "0:5", "targetValue": "100",
		"applicationInsightsId": "00000000-0000-0000-0000-000000000005", "tenantId": exampleTenant,
	}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

type insightsConfig struct {
	target, activation float64
	metric             string
	span               string
	aggregation        string
	filter             string
	ignoreNull         bool
	application        string
	service            service
}

// Params implements scaler.Config.
func (c *insightsConfig) Params() param.Set {
	who := &c.service.who
	return param.Set{
		param.Text("applicationInsightsId", &c.application).From(param.Metadata, param.Auth, param.Env).Required().Example("00000000-0000-0000-0000-000000000005").
			Doc("Application ID of the Application Insights resource, from its page API Access."),
		param.Text("metricId", &c.metric).Required().Example("requests/count").Doc("Metric, such as requests/count or customMetrics/backlog."),
		param.Text("metricAggregationType", &c.aggregation).Required().Example("sum").
			Doc("Statistic of the metric: one that it has of avg, count, max, min, sum and unique."),
		param.Text("metricAggregationTimespan", &c.span).Required().Example("0:5").Doc("Span of time until now, as hours:minutes."),
		param.Text("metricFilter", &c.filter).Example("cloud/roleName eq 'checkout'").Doc("Condition on the metric's dimensions, as an OData filter."),
		param.Bool("ignoreNullValues", &c.ignoreNull).Default(false).Doc("Whether a metric without a value in that time counts as 0; otherwise it is a failure."),
		param.Float("targetValue", &c.target).Required().Target().Example("100").Doc("Value of the statistic per replica."),
		param.Float("activationTargetValue", &c.activation).Activation().Doc("Value of the statistic above which the workload is active."),
		who.TenantField("tenantId").From(param.Metadata, param.Auth, param.Env).Required(),
		who.ClientField("activeDirectoryClientId").From(param.Metadata, param.Auth, param.Env),
		who.SecretField("activeDirectoryClientPassword").From(param.Auth, param.Env),
	}.With(c.service.params("https://api.applicationinsights.azure.local"))
}

// Check implements scaler.Checker.
func (c *insightsConfig) Check() param.Problems {
	ps := c.service.check()
	if climbs(c.metric) && c.metric != "" {
		ps.Errorf("metadata.metricId", "found %.100q; expected a metric such as requests/count", c.metric)
	}
	if climbs(c.application) && c.application != "" {
		ps.Errorf("metadata.applicationInsightsId", "found what no ID of an application can be")
	}
	if _, err := clock(c.span, 2); err != nil {
		ps.Errorf("metadata.metricAggregationTimespan", "found %.40q; expected hours:minutes, such as 0:5", c.span)
	}
	return ps
}

// Metric implements scaler.Config, as upstream names it.
func (c *insightsConfig) Metric() string { return "azure-app-insights-" + c.metric }

// Open implements scaler.Config.
func (c *insightsConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, at, err := c.service.open(env, &conn.HTTPAuth{}, conn.HTTPSettings{})
	if err != nil {
		return nil, err
	}
	at = below(at, append([]string{"v1", "apps", c.application, "metrics"}, strings.Split(c.metric, "/")...)...)
	span, _ := clock(c.span, 2) // checked
	q := url.Values{"aggregation": {c.aggregation}, "timespan": {fmt.Sprintf("PT%02dH%02dM", span/time.Hour, span%time.Hour/time.Minute)}}
	if c.filter != "" {
		q.Set("filter", c.filter)
	}
	at.RawQuery = q.Encode()
	doing := fmt.Sprintf("asking Application Insights for the %.20s of %.100s", c.aggregation, c.metric)
	return conn.NewHTTPSource(client, at.Host, func(ctx context.Context) (scaler.Reading, error) {
		body, err := client.AzureAsk(ctx, conn.NewGet(at, nil), doing)
		if err != nil {
			return scaler.Reading{}, err
		}
		return c.read(body, doing)
	}), nil
}

// read takes the statistic from an answer, which names the metric as it was
// asked for: https://learn.microsoft.com/rest/api/application-insights/metrics/get
func (c *insightsConfig) read(body []byte, doing string) (scaler.Reading, error) {
	var got struct {
		Value map[string]json.RawMessage `json:"value"`
	}
	if err := conn.DecodeJSON(body, &got, doing); err != nil {
		return scaler.Reading{}, err
	}
	if got.Value == nil {
		return scaler.Reading{}, scaler.BadAnswer(fmt.Errorf("the answer holds no value"), "%s", doing)
	}
	var statistics map[string]json.RawMessage
	if raw, ok := got.Value[c.metric]; ok {
		if err := conn.DecodeJSON(raw, &statistics, doing); err != nil {
			return scaler.Reading{}, err
		}
	}
	n, found, err := numberIn(statistics, c.aggregation)
	switch {
	case err != nil:
		return scaler.Reading{}, scaler.BadAnswer(err, "%s", doing)
	case found:
		return scaler.Reading{Value: n}, nil
	case c.ignoreNull:
		return scaler.Reading{Empty: true, Note: "the metric has no value in that time, which counts as 0"}, nil
	}
	return scaler.Reading{Empty: true}, scaler.Missing(fmt.Errorf("the metric has no %.20s in the last %s hours:minutes; expected a statistic that it has, a longer metricAggregationTimespan, or ignoreNullValues", c.aggregation, c.span), "%s", doing)
}
