package e2e

import (
	"net/http"
	"slices"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// named gives a trigger a name, for formulas.
func named(name string) func(*kedav1.ScaleTriggers) {
	return func(t *kedav1.ScaleTriggers) { t.Name = name }
}

func scalingModifiers(m kedav1.ScalingModifiers) func(*kedav1.ScaledObject) {
	return func(o *kedav1.ScaledObject) {
		if o.Spec.Advanced == nil {
			o.Spec.Advanced = &kedav1.AdvancedConfig{}
		}
		o.Spec.Advanced.ScalingModifiers = m
	}
}

// TestFormula: one metric made of two triggers activates, is what the HPA
// follows, and deactivates; triggers by themselves do not.
func TestFormula(t *testing.T) {
	s := newStory(t)
	orders, mails := newMeter(s, 5), newMeter(s, 0)
	s.create(deployment(worker, 0))
	// The HPA is not quick to scale down: the end of the cool-down finds all 8.
	o := s.apply(scaledObject(append(orders.trigger(1, named("orders")), mails.trigger(1, named("mails"))...),
		scalingModifiers(kedav1.ScalingModifiers{Formula: "min(orders, mails) * 2", Target: "3", ActivationTarget: "1"})))
	o.ready()
	o.expect(model.ConditionActive, "False", "ScalerNotActive")
	mails.set(6)
	d := o.decided(model.RuleJumpStart, 0, 4) // 2 * 5 / 3
	if want := "composite-metric is 10 (target 3 per replica): 4 replicas"; d.Message != want {
		s.failf("the decision says %q; expected %q", d.Message, want)
	}
	s.settled(4)
	hpa := s.hpa("keda-hpa-" + worker)
	if n := len(hpa.Spec.Metrics); n != 1 || hpa.Spec.Metrics[0].External.Metric.Name != "s0-composite-metric" {
		s.failf("the HPA has the metrics %+v", hpa.Spec.Metrics)
	}
	orders.set(12)
	mails.set(12)
	s.settled(8)
	status, _, err := o.status()
	s.must(err)
	if status.CompositeScalerName != "s0-composite-metric" || len(status.ExternalMetricNames) != 2 {
		s.failf("the status names %q and %q", status.CompositeScalerName, status.ExternalMetricNames)
	}
	mails.set(0)
	o.decided(model.RuleZero, 8, 0)
}

// TestFormulaWithAFailingTrigger: without "??" the count is kept; a formula
// that copes goes on.
func TestFormulaWithAFailingTrigger(t *testing.T) {
	s := newStory(t)
	works, fails := newMeter(s, 4), newMeter(s, 4)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(append(works.trigger(1, named("works")), fails.trigger(1, named("fails"))...),
		hpaConfig("", quickScaleDown()),
		scalingModifiers(kedav1.ScalingModifiers{Formula: "works + fails", Target: "2"})))
	s.settled(4)
	replicas := s.follow(worker)
	fails.answer(http.StatusBadGateway, "")
	o.expect(model.ConditionReady, "False", "TriggerError", `"fails"`, "502")
	works.askedAgain(3)
	if seen := replicas.seen(); !slices.Equal(seen, []int32{4}) {
		s.failf("the counts were %v; expected 4 only", seen)
	}
	o.patch(`{"spec":{"fallback":{"failureThreshold":1,"replicas":1,"behavior":"scalingModifiers"},
		"advanced":{"scalingModifiers":{"formula":"works + (fails ?? 10)"}}}}`)
	o.expect(model.ConditionReady, "Unknown", "PartialTriggerError", "502")
	o.expect(model.ConditionFallback, "True", "FallbackExists", "formula")
	s.settled(7)
}

// TestBadFormula: what is wrong with a formula is said before anything is done.
func TestBadFormula(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 5)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1, named("orders")), scalingModifiers(kedav1.ScalingModifiers{Formula: "order * 2", Target: "3"})))
	o.expect(model.ConditionReady, "False", "ScaledObjectCheckFailed", `uses "order"`, "did you mean orders?")
	s.noHPA("keda-hpa-" + worker)
}

// TestFallback: once the source has failed too often the HPA is told what
// stands for the fallback's count, and the source's number again when it is back.
func TestFallback(t *testing.T) {
	for name, tt := range map[string]struct {
		behavior string
		replicas int32
		kind     autoscalingv2.MetricTargetType
		want     int32
	}{
		"static":                  {"static", 6, "AverageValue", 6},
		"static by Value":         {"static", 6, "Value", 6},
		"currentReplicas":         {"currentReplicas", 6, "AverageValue", 3},
		"currentReplicasIfHigher": {"currentReplicasIfHigher", 5, "AverageValue", 5},
		"currentReplicasIfLower":  {"currentReplicasIfLower", 2, "AverageValue", 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			m := newMeter(s, 3)
			s.create(deployment(worker, 0))
			target := 1.0
			if tt.kind == autoscalingv2.ValueMetricType {
				target = 3 // the HPA is content with what the jump start gave
				m.set(3)
			}
			o := s.apply(scaledObject(m.trigger(target, func(t *kedav1.ScaleTriggers) { t.MetricType = tt.kind }), limits(3, 20),
				hpaConfig("", quickScaleDown()), func(o *kedav1.ScaledObject) {
					o.Spec.MinReplicaCount = new(int32(1))
					if tt.kind == autoscalingv2.ValueMetricType {
						o.Spec.MinReplicaCount = new(int32(3))
					}
					o.Spec.Fallback = &kedav1.Fallback{FailureThreshold: 2, Replicas: tt.replicas, Behavior: tt.behavior}
				}))
			s.settled(3)
			o.expect(model.ConditionFallback, "False", "NoFallbackFound")
			m.answer(http.StatusServiceUnavailable, "")
			o.expect(model.ConditionFallback, "True", "FallbackExists", "more than 2 times in a row")
			o.event("ScaledObjectFallbackActivated", "told the fallback")
			s.settled(tt.want)
			m.set(4)
			o.expect(model.ConditionFallback, "False", "NoFallbackFound")
			o.event("ScaledObjectFallbackDeactivated", "over")
			if tt.kind == autoscalingv2.AverageValueMetricType {
				s.settled(4)
			}
		})
	}
}

// TestIdleAboveZero: the HPA leaves a target alone that rests at an idle count
// above 0, and keeps to minReplicaCount while there is work.
func TestIdleAboveZero(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	s.create(deployment(worker, 4))
	o := s.apply(scaledObject(m.trigger(1), limits(4, 8), hpaConfig("", quickScaleDown()), func(o *kedav1.ScaledObject) { o.Spec.IdleReplicaCount = new(int32(2)) }))
	o.decided(model.RuleIdle, 4, 2)
	s.settled(2)
	replicas := s.follow(worker)
	m.askedAgain(4)
	if seen := replicas.seen(); !slices.Equal(seen, []int32{2}) {
		s.failf("at rest the counts were %v; expected 2 only", seen)
	}
	m.set(1)
	o.decided(model.RuleActivate, 2, 4)
	s.settled(4)
	m.set(0)
	o.decided(model.RuleIdle, 4, 2)
	s.settled(2)
}
