package e2e

import (
	"slices"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// TestMinReplicas: the target is never below minReplicaCount, active or not.
func TestMinReplicas(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1), limits(2, 6), hpaConfig("", quickScaleDown())))
	o.decided(model.RuleMin, 0, 2)
	o.expect(model.ConditionActive, "False", "ScalerNotActive")
	s.settled(2)
	replicas := s.follow(worker)
	m.set(50)
	s.settled(6) // maxReplicaCount
	m.set(0)
	s.settled(2)
	if least := slices.Min(replicas.seen()); least != 2 {
		s.failf("the counts were %v; expected never less than 2", replicas.seen())
	}
}

// TestIdleReplicas: at rest idleReplicaCount, at work at least minReplicaCount.
func TestIdleReplicas(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	s.create(deployment(worker, 3))
	o := s.apply(scaledObject(m.trigger(1), limits(3, 8), func(o *kedav1.ScaledObject) { o.Spec.IdleReplicaCount = new(int32(0)) }))
	o.decided(model.RuleIdle, 3, 0)
	m.set(1)
	o.decided(model.RuleActivate, 0, 3)
	s.settled(3)
	m.set(0)
	o.decided(model.RuleIdle, 3, 0)
}

// TestCooldown: to zero no sooner than cooldownPeriod after the last activity.
func TestCooldown(t *testing.T) {
	s := newStory(t)
	const cooldown = 6 * time.Second
	m := newMeter(s, 2)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1), func(o *kedav1.ScaledObject) { o.Spec.CooldownPeriod = new(int32(6)) }))
	o.decided(model.RuleJumpStart, 0, 2)
	s.settled(2)
	m.set(0)
	quietSince := time.Now()
	o.expect(model.ConditionActive, "False", "ScalerCooldown", "6s")
	o.decided(model.RuleZero, 2, 0)
	// The last measurement that was active is up to a polling interval older.
	if took := time.Since(quietSince); took < cooldown-1500*time.Millisecond {
		s.failf("the target went to zero after %s; the cool-down is %s", took, cooldown)
	}
	o.expect(model.ConditionActive, "False", "ScalerNotActive")
}

// TestInitialCooldown: a new object that was never active waits for
// initialCooldownPeriod, not for cooldownPeriod.
func TestInitialCooldown(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	s.create(deployment(worker, 2), deployment("other", 2))
	with := func(name string, initial int32) *kedav1.ScaledObject {
		return scaledObject(m.trigger(1), func(o *kedav1.ScaledObject) {
			o.Name, o.Spec.ScaleTargetRef.Name = name, name
			o.Spec.InitialCooldownPeriod, o.Spec.CooldownPeriod = &initial, new(int32(600))
		})
	}
	o := s.apply(with(worker, 600))
	other := s.apply(with("other", 0))
	o.expect(model.ConditionActive, "False", "ScalerCooldown", "10m0s")
	other.decided(model.RuleZero, 2, 0)
	s.replicas(2)
	o.patch(`{"spec":{"initialCooldownPeriod":1}}`)
	o.decided(model.RuleZero, 2, 0)
}

// TestActivationThreshold: a value up to the threshold keeps the target at
// zero, though it would call for replicas.
func TestActivationThreshold(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 10)
	s.create(deployment(worker, 0))
	replicas := s.follow(worker)
	o := s.apply(scaledObject(m.trigger(2, withMetadata("activationTargetValue", "10"))))
	o.ready()
	o.expect(model.ConditionActive, "False", "ScalerNotActive")
	m.askedAgain(3)
	if seen := replicas.seen(); !slices.Equal(seen, []int32{0}) {
		s.failf("the counts were %v; expected 0 only", seen)
	}
	m.set(10.5)
	o.decided(model.RuleJumpStart, 0, 6)
}

// TestValueMetric: with metricType Value the target is for all replicas
// together.
func TestValueMetric(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	s.create(deployment(worker, 0))
	value := func(t *kedav1.ScaleTriggers) { t.MetricType = autoscalingv2.ValueMetricType }
	o := s.apply(scaledObject(m.trigger(5, value), limits(0, 7)))
	o.ready()
	target := s.hpa("keda-hpa-" + worker).Spec.Metrics[0].External.Target
	if target.Type != autoscalingv2.ValueMetricType || target.Value == nil || target.Value.Value() != 5 || target.AverageValue != nil {
		s.failf("the HPA's target is %+v", target)
	}
	m.set(5)
	o.decided(model.RuleActivate, 0, 1)
	s.settled(1) // 5 of 5: as many as there are
	m.set(20)
	s.settled(7) // four times as many, again and again
}

// TestSeveralTriggers: any trigger activates; the one that calls for most
// counts.
func TestSeveralTriggers(t *testing.T) {
	s := newStory(t)
	few, many := newMeter(s, 0), newMeter(s, 0)
	s.create(deployment(worker, 0))
	triggers := append(few.trigger(1), many.trigger(1)...)
	triggers[1].Name = "orders"
	o := s.apply(scaledObject(triggers))
	o.ready()
	many.set(5)
	d := o.decided(model.RuleJumpStart, 0, 5)
	if want := "orders is 5 (target 1 per replica): 5 replicas"; d.Message != want {
		s.failf("the decision says %q; expected %q", d.Message, want)
	}
	few.set(8)
	s.settled(8)
	names := []string{}
	for _, m := range s.hpa("keda-hpa-" + worker).Spec.Metrics {
		names = append(names, m.External.Metric.Name)
	}
	if want := []string{"s0-metric-api-value", "s1-metric-api-value"}; !slices.Equal(names, want) {
		s.failf("the HPA's metrics are %v; expected %v", names, want)
	}
	few.set(0)
	s.eventually("only the second trigger is active", func() error {
		status, _, err := o.status()
		if err != nil {
			return err
		}
		return differs(map[string]kedav1.TriggerActivityStatus{"s0-metric-api-value": {}, "s1-metric-api-value": {IsActive: true}}, status.TriggersActivity)
	})
}

// TestForceActivation: the annotation activates without events.
func TestForceActivation(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1), annotated("autoscaling.keda.sh/force-activation", "true")))
	o.decided(model.RuleForced, 0, 1)
	o.expect(model.ConditionActive, "True", "ScalerActive", "force-activation")
	o.annotate(map[string]any{"autoscaling.keda.sh/force-activation": "false"})
	o.decided(model.RuleZero, 1, 0)
}

// TestKubernetesWorkload scales by the pods of another workload.
func TestKubernetesWorkload(t *testing.T) {
	s := newStory(t)
	s.create(deployment(worker, 0), deployment("backend", 4), deployment("bystander", 3))
	o := s.apply(scaledObject([]kedav1.ScaleTriggers{{
		Type: "kubernetes-workload", Metadata: map[string]string{"podSelector": "app=backend", "value": "2", "activationValue": "1"},
	}}))
	s.settled(2)
	o.patch(`{"spec":{"triggers":[{"type":"kubernetes-workload","metadata":{"podSelector":"app in (backend, bystander)","value":"1"}}]}}`)
	s.settled(7)
}
