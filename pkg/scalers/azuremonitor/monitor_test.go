package azuremonitor

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const managerAddress = "azureResourceManagerEndpoint"

func monitorTrigger(address string, pairs ...string) map[string]string {
	return scalertest.Given(exampleMetric("cloud", "Private", managerAddress, address, "activeDirectoryClientId", exampleClient), pairs...)
}

func monitorAuth() map[string]string {
	return map[string]string{"activeDirectoryClientPassword": "the-secret-of-monitor"}
}

func averages(n float64) string {
	return fmt.Sprintf(`{"value": [{"timeseries": [{"data": [{"timeStamp": "2026-05-01T09:58:00Z", "average": 7}, {"timeStamp": "2026-05-01T09:59:00Z", "average": %v}]}]}]}`, n)
}

func TestMonitorConformance(t *testing.T) {
	newFake(t, averages).conforms(t, "azure-monitor", managerAddress, monitorTrigger("https://azure.example"), monitorAuth())
}

func TestMonitorRequest(t *testing.T) {
	f := newFake(t, averages)
	for name, c := range map[string]struct {
		more  []string
		query url.Values
	}{
		"least": {nil, url.Values{
			"api-version": {"2018-01-01"}, "metricnames": {"ActiveMessages"}, "aggregation": {"average"}, "timespan": {"2026-05-01T09:55:00Z/2026-05-01T10:00:00Z"},
		}},
		"all": {[]string{"metricNamespace", "Custom/Shop", "metricFilter", "EntityName eq 'a b'", "metricAggregationInterval", "1:0:30", "metricAggregationType", "Average"}, url.Values{
			"api-version": {"2018-01-01"}, "metricnames": {"ActiveMessages"}, "aggregation": {"average"}, "timespan": {"2026-05-01T08:59:30Z/2026-05-01T10:00:00Z"},
			"metricnamespace": {"Custom/Shop"}, "$filter": {"EntityName eq 'a b'"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f.requests()
			if _, err := open(t, f.env(""), "azure-monitor", monitorTrigger("https://"+f.addr+"/", c.more...), monitorAuth()).Measure(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := "/subscriptions/00000000-0000-0000-0000-000000000003/resourceGroups/shop/providers/Microsoft.ServiceBus/namespaces/orders/providers/Microsoft.Insights/metrics?" + c.query.Encode()
			if got := f.requests(); len(got) != 1 || got[0].method != "GET" || got[0].url != want {
				t.Errorf("asked %+v; want a GET of %s", got, want)
			}
		})
	}
}

func TestMonitorAnswers(t *testing.T) {
	f := newFake(t, averages)
	f.answers(t, "azure-monitor", monitorTrigger("https://"+f.addr), monitorAuth(), map[string]struct {
		status int
		answer string
		outcome
	}{
		"newest":         {0, averages(2.5), outcome{value: 2.5}},
		"newest missing": {0, `{"value": [{"timeseries": [{"data": [{"average": 3}, {"timeStamp": "2026-05-01T09:59:00Z"}]}]}]}`, outcome{value: 3}},
		"newest null":    {0, `{"value": [{"timeseries": [{"data": [{"average": 4}, {"average": null}]}]}]}`, outcome{value: 4}},
		"others only":    {0, `{"value": [{"timeseries": [{"data": [{"total": 4}]}]}]}`, outcome{reason: scaler.ReasonMissing, said: "no value in the last 5m0s"}},
		"no points":      {0, `{"value": [{"timeseries": [{"data": []}]}]}`, outcome{reason: scaler.ReasonMissing, said: "metricAggregationInterval"}},
		"no series":      {0, `{"value": [{"timeseries": []}]}`, outcome{reason: scaler.ReasonMissing, said: "metricFilter"}},
		"two series":     {0, `{"value": [{"timeseries": [{"data": [{"average": 1}]}, {"data": [{"average": 1}]}]}]}`, outcome{reason: scaler.ReasonMisconfigured, said: "2 series"}},
		"no metric":      {0, `{"value": []}`, outcome{reason: scaler.ReasonBadAnswer, said: "lacks the metric"}},
		"text":           {0, `{"value": [{"timeseries": [{"data": [{"average": "many"}]}]}]}`, outcome{reason: scaler.ReasonBadAnswer, said: "average is no number"}},
		"no object":      {0, `[]`, outcome{reason: scaler.ReasonBadAnswer, said: "not the JSON expected"}},
		"unknown metric": {400, `{"code": "BadRequest", "message": "the-secret"}`, outcome{reason: scaler.ReasonMisconfigured, said: "BadRequest"}},
		"no resource":    {404, `{"error": {"code": "ResourceNotFound", "message": "the-secret"}}`, outcome{reason: scaler.ReasonMissing, said: "ResourceNotFound"}},
		"no role":        {403, `{"error": {"code": "AuthorizationFailed", "message": "the-secret"}}`, outcome{reason: scaler.ReasonDenied, said: "AuthorizationFailed"}},
		"too much asked": {429, `{"error": {"code": "TooManyRequests"}}`, outcome{reason: scaler.ReasonUnreachable, said: "TooManyRequests"}},
		"broken":         {500, `the-secret`, outcome{reason: scaler.ReasonUnreachable, said: "500"}},
	})
}

func TestMonitorChecks(t *testing.T) {
	for name, c := range map[string]struct {
		trigger map[string]string
		path    string
	}{
		"resource too short":   {monitorTrigger("https://a", "resourceURI", "Microsoft.ServiceBus/namespaces"), "metadata.resourceURI"},
		"resource climbs":      {monitorTrigger("https://a", "resourceURI", "a/../../b"), "metadata.resourceURI"},
		"group climbs":         {monitorTrigger("https://a", "resourceGroupName", ".."), "metadata.resourceGroupName"},
		"interval":             {monitorTrigger("https://a", "metricAggregationInterval", "5m"), "metadata.metricAggregationInterval"},
		"interval of nothing":  {monitorTrigger("https://a", "metricAggregationInterval", "0:0:0"), "metadata.metricAggregationInterval"},
		"interval too long":    {monitorTrigger("https://a", "metricAggregationInterval", "1000:0:0"), "metadata.metricAggregationInterval"},
		"aggregation":          {monitorTrigger("https://a", "metricAggregationType", "Median"), "metadata.metricAggregationType"},
		"private, no address":  {monitorTrigger("", managerAddress, ""), "metadata." + managerAddress},
		"plain address":        {monitorTrigger("http://a"), "metadata." + managerAddress},
		"public, with address": {monitorTrigger("https://a", "cloud", ""), "metadata." + managerAddress},
		"no tenant":            {monitorTrigger("https://a", "tenantId", ""), "metadata.tenantId"},
	} {
		_, ps := decode(t, "azure-monitor", c.trigger, monitorAuth())
		if len(ps) != 1 || ps[0].Path != c.path {
			t.Errorf("%s: got %v; want one problem of %s", name, ps, c.path)
		}
	}
}

func BenchmarkTriggers(b *testing.B) {
	b.Run("azure-monitor", func(b *testing.B) {
		f, r := newResource(b)
		f.bench(b, "azure-monitor", managerAddress, func(i int) map[string]string {
			name := fmt.Sprint("metric-", i)
			r.set(name, 3)
			return monitorTrigger("https://a", "metricName", name)
		}, monitorAuth())
	})
	b.Run("azure-log-analytics", func(b *testing.B) {
		newFake(b, logsTable).bench(b, "azure-log-analytics", logsAddress, func(int) map[string]string { return logsTrigger("https://a") }, logsAuth())
	})
	b.Run("azure-app-insights", func(b *testing.B) {
		newFake(b, sums).bench(b, "azure-app-insights", insightsAddress, func(int) map[string]string { return insightsTrigger("https://a") }, insightsAuth())
	})
	b.Run("azure-data-explorer", func(b *testing.B) {
		newFake(b, explorerTable).bench(b, "azure-data-explorer", "endpoint", func(int) map[string]string { return explorerTrigger("https://a") }, explorerAuth())
	})
}
