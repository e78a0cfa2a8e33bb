package controller

import (
	"context"
	"slices"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// stated is a trigger whose source states the target.
type stated struct{}

func (*stated) Params() param.Set                                       { return nil }
func (*stated) Metric() string                                          { return "orders" }
func (*stated) Open(context.Context, scaler.Env) (scaler.Source, error) { return nil, nil }
func (*stated) TargetStated()                                           {}
func (*stated) PerObject()                                              {}

// says puts a target into the store, as a measurement does.
func (w *world) says(name string, trigger int, target float64) {
	w.store.Update(model.TriggerKey{Workload: key(model.GroupToday, name), Index: trigger}, func(s *model.Sample) { s.Target = target })
}

// targetsOf lists the targets of an HPA, nil without one.
func (w *world) targetsOf(t *testing.T, name string) []string {
	t.Helper()
	if !slices.Contains(w.hpas(t), name) {
		return nil
	}
	var h autoscalingv2.HorizontalPodAutoscaler
	w.get(t, &h, name)
	out := []string{}
	for _, m := range h.Spec.Metrics {
		out = append(out, m.External.Metric.Name+"="+m.External.Target.AverageValue.String())
	}
	return out
}

// TestStatedTarget checks that an HPA has a metric from when its source has
// stated the target, follows it, and keeps it over a restart.
func TestStatedTarget(t *testing.T) {
	expect := func(w *world, what string, want ...string) {
		t.Helper()
		w.reconcile(t, model.GroupToday, "so")
		if got := w.targetsOf(t, "keda-hpa-so"); !slices.Equal(got, want) {
			t.Errorf("%s: the HPA has %v, want %v", what, got, want)
		}
	}
	o := object("so", 0, func(o *kedav1.ScaledObject) { o.Spec.Triggers = []kedav1.ScaleTriggers{{Type: "stated"}} })
	w := newWorld(t, o)
	expect(w, "before the first measurement")
	w.queued()

	w.says("so", 0, 5)
	if got := w.queued(); !slices.Equal(got, []string{"so"}) {
		t.Errorf("with the first target %v is queued", got)
	}
	expect(w, "after it", "s0-orders=5")
	w.says("so", 0, 5)
	if got := w.queued(); len(got) > 0 {
		t.Errorf("with the same target %v is queued", got)
	}
	w.says("so", 0, 2.5)
	if got := w.queued(); !slices.Equal(got, []string{"so"}) {
		t.Errorf("with another target %v is queued", got)
	}
	expect(w, "with another target", "s0-orders=2500m")

	w.store.Remove(key(model.GroupToday, "so"))
	expect(w, "after a restart", "s0-orders=2500m")
}

// TestStatedTargetBesideOthers checks that other triggers don't wait for it.
func TestStatedTargetBesideOthers(t *testing.T) {
	w := newWorld(t, object("so", 0, func(o *kedav1.ScaledObject) {
		o.Spec.Triggers = append(o.Spec.Triggers, kedav1.ScaleTriggers{Type: "stated"})
	}))
	w.reconcile(t, model.GroupToday, "so")
	first := w.targetsOf(t, "keda-hpa-so")
	if len(first) != 1 {
		t.Fatalf("before the first measurement the HPA has %v", first)
	}
	w.says("so", 1, 7)
	w.reconcile(t, model.GroupToday, "so")
	if got := w.targetsOf(t, "keda-hpa-so"); !slices.Equal(got, append(first, "s1-orders=7")) {
		t.Errorf("after it the HPA has %v", got)
	}
}
