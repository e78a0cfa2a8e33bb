package e2e

import (
	"slices"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kedago/keda/internal/model"
)

// TestJumpStartOff: without the jump start the first write is to one replica,
// and the HPA does the rest.
func TestJumpStartOff(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	s.create(deployment(worker, 0))
	replicas := s.follow(worker)
	o := s.apply(scaledObject(m.trigger(1), annotated("autoscaling.keda.sh/jump-start", "false")))
	o.ready()
	m.set(9)
	o.decided(model.RuleActivate, 0, 1)
	s.settled(9)
	if seen := replicas.seen(); !slices.Equal(seen[:2], []int32{0, 1}) {
		s.failf("the counts were %v; expected them to begin with 0 and 1", seen)
	}
}

// TestJumpStartMax: the jump goes no further than maxReplicaCount, in one write.
func TestJumpStartMax(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	s.create(deployment(worker, 0))
	replicas := s.follow(worker)
	o := s.apply(scaledObject(m.trigger(1), limits(0, 6)))
	o.ready()
	m.set(1000)
	d := o.decided(model.RuleJumpStart, 0, 6)
	if want := "metric-api-value is 1000 (target 1 per replica): 1000 replicas, limited to 6 by maxReplicaCount"; d.Message != want {
		s.failf("the decision says %q; expected %q", d.Message, want)
	}
	s.settled(6)
	oneWrite(s, worker, replicas)
}

// TestJumpStartPolicies: the jump goes no further than the scale-up policies
// that the user wrote, which the HPA has too.
func TestJumpStartPolicies(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	s.create(deployment(worker, 0))
	behavior := &autoscalingv2.HorizontalPodAutoscalerBehavior{
		ScaleUp: &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: new(int32(0)),
			SelectPolicy:               new(autoscalingv2.MaxChangePolicySelect),
			Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: 3, PeriodSeconds: 1800}},
		},
		ScaleDown: &autoscalingv2.HPAScalingRules{
			StabilizationWindowSeconds: new(int32(60)),
			SelectPolicy:               new(autoscalingv2.MaxChangePolicySelect),
			Policies:                   []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PercentScalingPolicy, Value: 50, PeriodSeconds: 15}},
		},
	}
	o := s.apply(scaledObject(m.trigger(1), hpaConfig("", behavior)))
	o.ready()
	if err := differs(behavior, s.hpa("keda-hpa-"+worker).Spec.Behavior); err != nil {
		s.failf("the HPA's behavior: %v", err)
	}
	m.set(50)
	d := o.decided(model.RuleJumpStart, 0, 4)
	if want := "metric-api-value is 50 (target 1 per replica): 50 replicas, limited to 4 by the scale-up behavior"; d.Message != want {
		s.failf("the decision says %q; expected %q", d.Message, want)
	}
	s.settled(7) // what the policy lets the HPA add
}
