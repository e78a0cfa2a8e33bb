package store

import (
	"slices"
	"testing"

	"github.com/kedago/keda/internal/model"
)

// TestFindInAnyCase: metrics are found whatever the case of their letters, since
// Kubernetes' clients ask in small ones, and are listed as they are named.
func TestFindInAnyCase(t *testing.T) {
	s := New()
	key := func(name string) model.Key {
		return model.Key{Group: model.GroupToday, Kind: model.KindScaledObject, Namespace: "shop", Name: name}
	}
	add := func(name string, metrics ...string) {
		e := Entry{Key: key(name), SelectorKey: "name", SelectorValue: name}
		for i, m := range metrics {
			e.Metrics = append(e.Metrics, model.Metric{Trigger: i, External: m})
		}
		s.SetEntry(e)
	}
	found := func(namespace, metric string) []string {
		var out []string
		for _, f := range s.Find(namespace, metric) {
			out = append(out, f.SelectorValue+" "+f.Metric.External)
		}
		slices.Sort(out)
		return out
	}
	expect := func(what string, got, want []string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: found %q; expected %q", what, got, want)
		}
	}
	add("one", "s0-cron-UTC", "s1-kafka-Orders")
	add("two", "s0-cron-utc")
	for _, name := range []string{"s0-cron-utc", "s0-cron-UTC", "S0-CRON-UTC"} {
		expect(name, found("shop", name), []string{"one s0-cron-UTC", "two s0-cron-utc"})
	}
	expect("in another namespace", found("default", "s0-cron-utc"), nil)
	expect("all names", s.MetricNames(), []string{"s0-cron-UTC", "s0-cron-utc", "s1-kafka-Orders"})

	add("one", "s0-cron-UTC")
	expect("a metric that was removed", found("shop", "s1-kafka-orders"), nil)
	s.Remove(key("one"))
	expect("after removing one", found("shop", "s0-cron-utc"), []string{"two s0-cron-utc"})
	expect("names after removing one", s.MetricNames(), []string{"s0-cron-utc"})
}

// TestComposite: the metric of a formula is found and listed beside those of
// the triggers, takes no sample, and goes with its workload.
func TestComposite(t *testing.T) {
	s := New()
	e := entry("x", "s0-a")
	e.Composite = &model.Metric{External: "s0-composite-metric"}
	s.SetEntry(e)
	found := s.Find("ns", "s0-composite-metric")
	if len(found) != 1 || found[0].Trigger.Index != CompositeIndex || found[0].Metric.External != "s0-composite-metric" {
		t.Fatalf("found %+v", found)
	}
	if got := s.MetricNames(); !slices.Equal(got, []string{"s0-a", "s0-composite-metric"}) {
		t.Errorf("names %q", got)
	}
	put(s, "x", CompositeIndex, 5)
	if _, ok := s.Sample(found[0].Trigger); ok {
		t.Error("there is a sample of a formula")
	}
	s.SetEntry(entry("x", "s0-a"))
	if got := s.Find("ns", "s0-composite-metric"); len(got) > 0 {
		t.Errorf("after the formula was removed: %+v", got)
	}
}
