package store

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
)

func workloadKey(name string) model.Key {
	return model.Key{Group: model.GroupToday, Kind: model.KindScaledObject, Namespace: "ns", Name: name}
}

func entry(name string, metrics ...string) Entry {
	e := Entry{Key: workloadKey(name), SelectorKey: "name", SelectorValue: name, Interval: time.Second}
	for i, m := range metrics {
		e.Metrics = append(e.Metrics, model.Metric{Trigger: i, External: m})
	}
	return e
}

func put(s *Store, name string, trigger int, value float64) {
	s.Update(model.TriggerKey{Workload: workloadKey(name), Index: trigger}, func(x *model.Sample) { x.Value = value })
}

func valuesOf(t *testing.T, s *Store, name string) []float64 {
	t.Helper()
	_, samples, ok := s.Get(workloadKey(name))
	if !ok {
		t.Fatalf("%s is not in the store", name)
	}
	var out []float64
	for _, x := range samples {
		out = append(out, x.Value)
	}
	return out
}

// TestEdit: an edit keeps the samples of the triggers that stay what they were.
func TestEdit(t *testing.T) {
	for name, tt := range map[string]struct {
		after []string
		want  []float64
	}{
		"nothing changed": {[]string{"a", "b"}, []float64{1, 2}},
		"one replaced":    {[]string{"a", "c"}, []float64{1, 0}},
		"one added":       {[]string{"a", "b", "c"}, []float64{1, 2, 0}},
		"one removed":     {[]string{"a"}, []float64{1}},
		"swapped":         {[]string{"b", "a"}, []float64{0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			s := New()
			s.SetEntry(entry("x", "a", "b"))
			put(s, "x", 0, 1)
			put(s, "x", 1, 2)
			s.SetEntry(entry("x", tt.after...))
			if diff := cmp.Diff(tt.want, valuesOf(t, s, "x")); diff != "" {
				t.Error(diff)
			}
			names := slices.Sorted(slices.Values(tt.after))
			if diff := cmp.Diff(names, s.MetricNames()); diff != "" {
				t.Errorf("metric names: %s", diff)
			}
		})
	}
}

func TestFind(t *testing.T) {
	s := New()
	s.SetEntry(entry("x", "shared", "only-x"))
	s.SetEntry(entry("y", "shared"))
	names := func(metric string) string {
		var out []string
		for _, f := range s.Find("ns", metric) {
			out = append(out, f.SelectorValue+"/"+f.Metric.External)
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	for metric, want := range map[string]string{"shared": "x/shared y/shared", "only-x": "x/only-x", "none": ""} {
		if got := names(metric); got != want {
			t.Errorf("%s: %q, expected %q", metric, got, want)
		}
	}
	if got := s.Find("elsewhere", "shared"); len(got) > 0 {
		t.Errorf("found in another namespace: %v", got)
	}
	s.Remove(workloadKey("x"))
	if got := names("shared"); got != "y/shared" {
		t.Errorf("after a removal: %q", got)
	}
	if _, _, ok := s.Get(workloadKey("x")); ok || len(s.Keys()) != 1 {
		t.Errorf("left: %v", s.Keys())
	}
}

// TestChanges: listeners hear of each sample, outside the lock, and of nothing
// that is not in the store.
func TestChanges(t *testing.T) {
	s := New()
	var heard []string
	s.OnChange(func(k model.Key) {
		s.SetEntry(entry("made-by-listener")) // would hang with the lock held
		heard = append(heard, k.Name)
	})
	s.SetEntry(entry("x", "a"))
	put(s, "x", 0, 1)
	put(s, "x", 1, 1)
	put(s, "none", 0, 1)
	if diff := cmp.Diff([]string{"x"}, heard); diff != "" {
		t.Error(diff)
	}
	if _, ok := s.Sample(model.TriggerKey{Workload: workloadKey("x"), Index: 1}); ok {
		t.Error("a sample of a trigger that is not there")
	}
}

// TestSamplesAreCopies: what was read does not change afterwards.
func TestSamplesAreCopies(t *testing.T) {
	s := New()
	s.SetEntry(entry("x", "a"))
	_, before, _ := s.Get(workloadKey("x"))
	put(s, "x", 0, 5)
	if before[0].Value != 0 {
		t.Errorf("a sample read before became %v", before[0].Value)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := New()
	var wg sync.WaitGroup
	for _, name := range []string{"x", "y", "z"} {
		wg.Go(func() {
			for i := range 200 {
				s.SetEntry(entry(name, "shared"))
				put(s, name, 0, float64(i))
				s.Find("ns", "shared")
				if i%10 == 9 {
					s.Remove(workloadKey(name))
				}
			}
		})
	}
	wg.Wait()
	if got := s.Keys(); len(got) > 0 || len(s.MetricNames()) > 0 {
		t.Errorf("left: %v, %v", got, s.MetricNames())
	}
}
