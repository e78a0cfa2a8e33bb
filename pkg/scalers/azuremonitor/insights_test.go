package azuremonitor

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const insightsAddress = "appInsightsResourceURL"

func insightsTrigger(address string, pairs ...string) map[string]string {
	return scalertest.Given(exampleInsights("cloud", "Private", insightsAddress, address, "activeDirectoryClientId", exampleClient), pairs...)
}

func insightsAuth() map[string]string {
	return map[string]string{"activeDirectoryClientPassword": "the-secret-of-insights"}
}

func sums(n float64) string {
	return fmt.Sprintf(`{"value": {"start": "2026-05-01T09:55:00Z", "end": "2026-05-01T10:00:00Z", "requests/count": {"sum": %v}}}`, n)
}

func TestInsightsConformance(t *testing.T) {
	newFake(t, sums).conforms(t, "azure-app-insights", insightsAddress, insightsTrigger("https://azure.example"), insightsAuth())
}

func TestInsightsRequest(t *testing.T) {
	f := newFake(t, sums)
	for name, c := range map[string]struct {
		more []string
		want string
	}{
		"least": {nil, "/v1/apps/00000000-0000-0000-0000-000000000005/metrics/requests/count?aggregation=sum&timespan=PT00H05M"},
		"all": {[]string{"metricAggregationTimespan", "2:90", "metricFilter", "cloud/roleName eq 'a'", "applicationInsightsId", "a b"},
			"/v1/apps/a%20b/metrics/requests/count?aggregation=sum&filter=cloud%2FroleName+eq+%27a%27&timespan=PT03H30M"},
	} {
		f.requests()
		if _, err := open(t, f.env(""), "azure-app-insights", insightsTrigger("https://"+f.addr, c.more...), insightsAuth()).Measure(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := f.requests(); len(got) != 1 || got[0].method != "GET" || got[0].url != c.want {
			t.Errorf("%s: asked %+v; want a GET of %s", name, got, c.want)
		}
	}
}

func TestInsightsAnswers(t *testing.T) {
	f := newFake(t, sums)
	f.answers(t, "azure-app-insights", insightsTrigger("https://"+f.addr), insightsAuth(), map[string]struct {
		status int
		answer string
		outcome
	}{
		"sum":          {0, sums(2.5), outcome{value: 2.5}},
		"null":         {0, `{"value": {"requests/count": {"sum": null}}}`, outcome{reason: scaler.ReasonMissing, said: "ignoreNullValues"}},
		"other only":   {0, `{"value": {"requests/count": {"avg": 1}}}`, outcome{reason: scaler.ReasonMissing, said: "has no sum"}},
		"no metric":    {0, `{"value": {"start": "2026-05-01T09:55:00Z"}}`, outcome{reason: scaler.ReasonMissing, said: "0:5"}},
		"text":         {0, `{"value": {"requests/count": {"sum": "5"}}}`, outcome{reason: scaler.ReasonBadAnswer, said: "sum is no number"}},
		"no object":    {0, `{"value": {"requests/count": 5}}`, outcome{reason: scaler.ReasonBadAnswer, said: "not the JSON expected"}},
		"no value":     {0, `{}`, outcome{reason: scaler.ReasonBadAnswer, said: "no value"}},
		"filter":       {400, `{"error": {"code": "BadArgumentError", "message": "the-secret"}}`, outcome{reason: scaler.ReasonMisconfigured, said: "BadArgumentError"}},
		"no app":       {404, `{"error": {"code": "PathNotFoundError"}}`, outcome{reason: scaler.ReasonMissing, said: "PathNotFoundError"}},
		"not a number": {0, `{"value": {"requests/count": {"sum": NaN}}}`, outcome{reason: scaler.ReasonBadAnswer, said: "not the JSON expected"}},
	})
}

// TestInsightsIgnoreNull: only a number that is not there counts as 0.
func TestInsightsIgnoreNull(t *testing.T) {
	f := newFake(t, sums)
	f.answers(t, "azure-app-insights", insightsTrigger("https://"+f.addr, "ignoreNullValues", "true"), insightsAuth(), map[string]struct {
		status int
		answer string
		outcome
	}{
		"sum":       {0, sums(2), outcome{value: 2}},
		"null":      {0, `{"value": {"requests/count": {"sum": null}}}`, outcome{empty: true, said: "counts as 0"}},
		"no metric": {0, `{"value": {}}`, outcome{empty: true, said: "counts as 0"}},
		"text":      {0, `{"value": {"requests/count": {"sum": "5"}}}`, outcome{reason: scaler.ReasonBadAnswer, said: "no number"}},
		"no app":    {404, ``, outcome{reason: scaler.ReasonMissing, said: "404"}},
	})
}

func TestInsightsChecks(t *testing.T) {
	for name, c := range map[string]struct {
		trigger map[string]string
		path    string
	}{
		"metric climbs":      {insightsTrigger("https://a", "metricId", "requests/../.."), "metadata.metricId"},
		"application climbs": {insightsTrigger("https://a", "applicationInsightsId", ".."), "metadata.applicationInsightsId"},
		"timespan":           {insightsTrigger("https://a", "metricAggregationTimespan", "0:5:0"), "metadata.metricAggregationTimespan"},
		"no address":         {insightsTrigger("", insightsAddress, ""), "metadata." + insightsAddress},
	} {
		_, ps := decode(t, "azure-app-insights", c.trigger, insightsAuth())
		if len(ps) != 1 || ps[0].Path != c.path {
			t.Errorf("%s: got %v; want one problem of %s", name, ps, c.path)
		}
	}
}
