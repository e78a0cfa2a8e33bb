package azuremonitor

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func monitorKinds() []scaler.Kind {
	return []scaler.Kind{{
		Name:        "azure-monitor",
		Title:       "Azure Monitor",
		About:       "The newest value of a metric of any Azure resource within a span of time. Azure writes most metrics once a minute and shows them a minute or two later.",
		Since:       "1.3",
		Permissions: "The role Monitoring Reader on the resource.",
		Cost: "One request a poll for up to 20 metrics of a resource with the same metricNamespace, metricFilter and metricAggregationInterval. Azure bills metric queries: one poll every 30 seconds makes 86,400 a month, under 0.90 USD at 0.01 USD per 1,000 beyond the free million. " +
			"A subscription takes 12,000 reads an hour.",
		ByHand: "az monitor metrics list --resource /subscriptions/SUBSCRIPTION/resourceGroups/shop/providers/Microsoft.ServiceBus/namespaces/orders --metric ActiveMessages --aggregation Average --offset 5m",
		Examples: []scaler.Example{
			{
				Title: "A metric of a resource, with an application's secret",
				Metadata: exampleMetric("metricFilter", "EntityName eq 'dispatch'", "metricAggregationInterval", "0:10:0",
					"activeDirectoryClientId", exampleClient),
				Auth: map[string]string{"activeDirectoryClientPassword": "the-secret"},
			},
			{
				Title:    "With workload identity, in Azure Government",
				Metadata: exampleMetric("cloud", "AzureUSGovernmentCloud", "activationTargetValue", "2"),
				Identity: conn.AzureWorkload,
			},
		},
		New: func() scaler.Config {
			return &monitorConfig{service: service{kind: conn.AzureManager, parameter: "azureResourceManagerEndpoint"}}
		},
	}}
}

// exampleMetric is a trigger with pairs of name and value added.
func exampleMetric(pairs ...string) map[string]string {
	m := map[string]string{
		"resourceURI": "Microsoft.ServiceBus/namespaces/orders", "tenantId": exampleTenant, "subscriptionId": "00000000-0000-0000-0000-000000000003",
		"resourceGroupName": "shop", "metricName": "ActiveMessages", "metricAggregationType": "Average", "targetValue": "50",
	}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

type monitorConfig struct {
	target, activation float64
	resource           string
	subscription       string
	group              string
	metric             string
	namespace          string
	filter             string
	interval           string
	aggregation        string
	service            service
}

const (
	// monitorSpan is how far back is looked when nothing is said.
	monitorSpan = 5 * time.Minute
	// monitorBody is the largest answer read, in bytes: the minutes of a month
	// have about 4 MB.
	monitorBody = 8 << 20
)

// Params implements scaler.Config.
func (c *monitorConfig) Params() param.Set {
	return param.Set{
		param.Text("resourceURI", &c.resource).Required().Example("Microsoft.ServiceBus/namespaces/orders").
			Doc("Resource, as its provider's namespace, type and name."),
		param.Text("resourceGroupName", &c.group).Required().Example("shop").Doc("Resource group of the resource."),
		param.Text("subscriptionId", &c.subscription).Required().Example("00000000-0000-0000-0000-000000000003").Doc("ID of the subscription that the resource is in."),
		param.Text("metricName", &c.metric).Required().Example("ActiveMessages").Doc("Name of the metric."),
		param.Text("metricNamespace", &c.namespace).Example("Microsoft.ServiceBus/namespaces").Doc("Namespace of the metric; the resource's own when unset."),
		param.Text("metricFilter", &c.filter).Example("EntityName eq 'dispatch'").Doc("Condition on the metric's dimensions, whose result is one series."),
		param.Text("metricAggregationType", &c.aggregation).Required().OneOf("Average", "Total", "Maximum", "Minimum", "Count").
			Doc("What is taken of the measurements in a minute."),
		param.Text("metricAggregationInterval", &c.interval).Example("0:10:0").Doc("How far to look back for the newest value, as hours:minutes:seconds; 0:5:0 when unset."),
		param.Float("targetValue", &c.target).Required().Target().Example("50").Doc("Value of the metric per replica."),
		param.Float("activationTargetValue", &c.activation).Activation().Doc("Value of the metric above which the workload is active."),
		c.service.who.TenantField("tenantId").Required(),
		c.service.who.ClientField("activeDirectoryClientId").From(param.Auth, param.Metadata, param.Env),
		c.service.who.SecretField("activeDirectoryClientPassword").From(param.Auth, param.Env),
	}.With(c.service.params("https://management.azure.azurestack.external/"))
}

// Check implements scaler.Checker.
func (c *monitorConfig) Check() param.Problems {
	ps := c.service.check()
	if len(strings.Split(c.resource, "/")) < 3 || climbs(c.resource) {
		ps.Errorf("metadata.resourceURI", "found %.100q; expected namespace/type/name, such as Microsoft.ServiceBus/namespaces/orders", c.resource)
	}
	for _, part := range [][2]string{{"subscriptionId", c.subscription}, {"resourceGroupName", c.group}} {
		if part[1] == "." || part[1] == ".." {
			ps.Errorf("metadata."+part[0], "found %q, which is no name", part[1])
		}
	}
	if _, err := clock(c.interval, 3); c.interval != "" && err != nil {
		ps.Errorf("metadata.metricAggregationInterval", "found %.40q; expected hours:minutes:seconds, such as 0:10:0", c.interval)
	}
	return ps
}

// clock reads a span of time such as hours:minutes:seconds.
func clock(text string, parts int) (time.Duration, error) {
	const most = 31 * 24 * time.Hour
	fields := strings.Split(text, ":")
	if len(fields) != parts {
		return 0, errors.New("another number of parts")
	}
	var span time.Duration
	units := []time.Duration{time.Hour, time.Minute, time.Second}
	for i, f := range fields {
		n, err := strconv.ParseUint(strings.TrimSpace(f), 10, 20)
		if err != nil {
			return 0, errors.New("a part is no number")
		}
		span += time.Duration(n) * units[i]
	}
	if span <= 0 || span > most {
		return 0, errors.New("nothing, or longer than a month")
	}
	return span, nil
}

// Metric implements scaler.Config, as upstream names it.
func (c *monitorConfig) Metric() string { return "azure-monitor-" + c.metric }

// Open implements scaler.Config.
func (c *monitorConfig) Open(_ context.Context, env scaler.Env) (scaler.Source, error) {
	client, at, err := c.service.open(env, &conn.HTTPAuth{}, conn.HTTPSettings{BodyLimit: monitorBody})
	if err != nil {
		return nil, err
	}
	s := &monitorSource{config: c, client: client, span: monitorSpan}
	if c.interval != "" {
		s.span, _ = clock(c.interval, 3) // checked
	}
	at = below(at, append([]string{"subscriptions", c.subscription, "resourceGroups", c.group, "providers"}, strings.Split(c.resource, "/")...)...)
	s.at = at.JoinPath("providers/Microsoft.Insights/metrics")
	key := []string{"azure-monitor", s.at.Redacted(), c.namespace, c.filter, s.span.String(), c.service.digest(env)}
	if strings.Contains(c.metric, ",") { // names are put together with commas
		key = append(key, c.metric)
	}
	s.key = strings.Join(key, " ")
	return s, nil
}
