package azuremonitor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// resource is one whose metrics are asked for by name.
type resource struct {
	mu      sync.Mutex // guards metrics
	metrics map[string]float64
}

func (r *resource) set(name string, n float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.metrics[name] = n
}

// reply answers as Azure does: nothing at all when one metric is unknown.
func (r *resource) reply(q url.Values) (int, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, name := range strings.Split(q.Get("metricnames"), ",") {
		n, ok := r.metrics[name]
		if !ok {
			return http.StatusBadRequest, `{"code": "BadRequest", "message": "Failed to find metric configuration"}`
		}
		var point []string
		for _, a := range strings.Split(q.Get("aggregation"), ",") {
			point = append(point, fmt.Sprintf("%q: %v", a, n))
		}
		out = append(out, fmt.Sprintf(`{"name": {"value": %q}, "timeseries": [{"data": [{%s}]}]}`, strings.ToUpper(name), strings.Join(point, ", ")))
	}
	slices.Reverse(out)
	return http.StatusOK, `{"value": [` + strings.Join(out, ", ") + `]}`
}

func newResource(t testing.TB) (*fake, *resource) {
	t.Helper()
	r := &resource{metrics: map[string]float64{}}
	f := newFake(t, averages)
	f.reply = r.reply
	return f, r
}

// TestMonitorBatchConformance: triggers on several metrics of one resource,
// one of which there is not.
func TestMonitorBatchConformance(t *testing.T) {
	f, r := newResource(t)
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "azure-monitor"), Metadata: monitorTrigger("https://azure.example"), Auth: monitorAuth(), ScalerEnv: f.trust,
		Fixture: func(t *testing.T) scalertest.Fixture {
			proxy := scalertest.NewProxy(t, f.addr)
			out := scalertest.Fixture{
				Metadata: map[string]string{managerAddress: "https://" + proxy.Addr, "metricName": "first"}, Proxy: proxy,
				Set: func(_ context.Context, n float64) { r.set("first", n) },
				Bad: map[string]string{"metricName": "unknown"},
			}
			for _, name := range []string{"second", "third"} {
				out.Siblings = append(out.Siblings, scalertest.Sibling{
					Metadata: map[string]string{"metricName": name, "metricAggregationType": "Total"}, Set: func(_ context.Context, n float64) { r.set(name, n) },
				})
			}
			return out
		},
	})
}

// TestMonitorBatch: what is asked for together.
func TestMonitorBatch(t *testing.T) {
	f, r := newResource(t)
	env := f.env("")
	batch := func(metrics ...string) []scaler.Source {
		out := make([]scaler.Source, len(metrics))
		for i, m := range metrics {
			out[i] = open(t, env, "azure-monitor", monitorTrigger("https://"+f.addr, "metricName", m), monitorAuth())
		}
		return out
	}
	measure := func(sources []scaler.Source) []scaler.Result {
		f.requests()
		return sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources)
	}
	var many []string
	for i := range 45 {
		many = append(many, fmt.Sprint("m", i))
		r.set(many[i], float64(i))
	}
	for i, got := range measure(batch(many...)) {
		if got.Err != nil || got.Reading.Value != float64(i) {
			t.Errorf("m%d measured %+v", i, got)
		}
	}
	if got := f.requests(); len(got) != 3 {
		t.Errorf("45 metrics took %d requests; want 3", len(got))
	}

	same := append(batch("m7", "M7"), batch("m7")...)
	r.set("M7", 7)
	for _, got := range measure(same) {
		if got.Err != nil || got.Reading.Value != 7 {
			t.Errorf("measured %+v; want 7", got)
		}
	}
	if got := f.requests(); len(got) != 1 || !strings.Contains(got[0].url, "metricnames=m7&") {
		t.Errorf("asked %v; want one request for m7", got)
	}

	got := measure(batch("m1", "unknown", "m2"))
	if got[0].Err != nil || got[2].Err != nil || got[0].Reading.Value != 1 || got[2].Reading.Value != 2 {
		t.Errorf("beside an unknown metric measured %+v", got)
	}
	refusal := outcome{reason: scaler.ReasonMisconfigured, said: `"unknown"`}
	refusal.check(t, got[1].Reading, got[1].Err)
	if asked := f.requests(); len(asked) != 4 {
		t.Errorf("took %d requests; want 4", len(asked))
	}

	f.deny(true)
	for _, got := range measure(batch("m1", "m2")) {
		(outcome{reason: scaler.ReasonDenied}).check(t, got.Reading, got.Err)
	}
	if asked := f.requests(); len(asked) != 1 {
		t.Errorf("a refusal took %d requests; want 1", len(asked))
	}
}

// TestMonitorBatchKey: what keeps triggers apart.
func TestMonitorBatchKey(t *testing.T) {
	f, _ := newResource(t)
	key := func(auth map[string]string, pairs ...string) string {
		return open(t, f.env(""), "azure-monitor", monitorTrigger("https://"+f.addr, pairs...), auth).(scaler.Batcher).BatchKey()
	}
	seen := map[string]bool{key(monitorAuth()): true}
	if !seen[key(monitorAuth(), "metricName", "another", "metricAggregationType", "Total", "targetValue", "9")] {
		t.Error("another metric has another key")
	}
	for _, k := range []string{
		key(monitorAuth(), "metricFilter", "a eq 'b'"), key(monitorAuth(), "metricNamespace", "n"), key(monitorAuth(), "metricAggregationInterval", "1:0:0"),
		key(monitorAuth(), "resourceGroupName", "store"), key(monitorAuth(), "activeDirectoryClientId", "another"), key(monitorAuth(), "metricName", "a,b"),
		key(map[string]string{"activeDirectoryClientPassword": "another-secret"}),
	} {
		if seen[k] {
			t.Errorf("the key is there already: %s", k)
		}
		seen[k] = true
	}
}

// TestMonitorComma: a name with a comma is one name.
func TestMonitorComma(t *testing.T) {
	f := newFake(t, averages)
	if _, err := open(t, f.env(""), "azure-monitor", monitorTrigger("https://"+f.addr, "metricName", "a,b"), monitorAuth()).Measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.requests()[0].url; !strings.Contains(got, "metricnames=a%252b&") {
		t.Errorf("asked %s", got)
	}
}
