package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
)

// TestStatedTargets: metrics come with the targets that sources state, and
// whoever needs to know is told of another one, and of nothing else.
func TestStatedTargets(t *testing.T) {
	s := New()
	var told []model.Key
	s.OnTarget(func(k model.Key) { told = append(told, k) })
	e := entry("x", "a", "b")
	e.Metrics[0].Target, e.Metrics[1].Stated = 3, true
	s.SetEntry(e)
	state := func(trigger int, target float64) {
		s.Update(model.TriggerKey{Workload: e.Key, Index: trigger}, func(x *model.Sample) { x.Target = target })
	}
	targets := func() []float64 {
		got, _, _ := s.Get(e.Key)
		return []float64{got.Metrics[0].Target, got.Metrics[1].Target}
	}
	for _, step := range []struct {
		name   string
		do     func()
		want   []float64
		toldBy int
	}{
		{"before it is stated", func() {}, []float64{3, 0}, 0},
		{"stated", func() { state(1, 5) }, []float64{3, 5}, 1},
		{"stated again", func() { state(1, 5) }, []float64{3, 5}, 1},
		{"a value only", func() { put(s, "x", 1, 9) }, []float64{3, 5}, 1},
		{"edited", func() { s.SetEntry(e) }, []float64{3, 5}, 1},
		{"another", func() { state(1, 0.5) }, []float64{3, 0.5}, 2},
	} {
		step.do()
		if diff := cmp.Diff(step.want, targets()); diff != "" || len(told) != step.toldBy {
			t.Errorf("%s: told %d times, want %d; targets (-want +got):\n%s", step.name, len(told), step.toldBy, diff)
		}
	}
	if e.Metrics[1].Target != 0 {
		t.Error("the entry of the caller was changed")
	}
	if found := s.Find("ns", "b"); len(found) != 1 || found[0].Metric.External != "b" {
		t.Errorf("found %+v", found)
	}
}
