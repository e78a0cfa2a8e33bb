package e2e

import (
	"fmt"
	"slices"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

const (
	paused         = "autoscaling.keda.sh/paused"
	pausedReplicas = "autoscaling.keda.sh/paused-replicas"
	pausedScaleIn  = "autoscaling.keda.sh/paused-scale-in"
	pausedScaleOut = "autoscaling.keda.sh/paused-scale-out"
)

// TestPaused: paused keeps the count and removes the HPA.
func TestPaused(t *testing.T) {
	s := newStory(t)
	m, witness := newMeter(s, 3), newMeter(s, 0)
	s.create(deployment(worker, 0), deployment("witness", 0))
	s.apply(scaledObject(witness.trigger(1), func(o *kedav1.ScaledObject) { o.Name, o.Spec.ScaleTargetRef.Name = "witness", "witness" }))
	o := s.apply(scaledObject(m.trigger(1)))
	s.settled(3)
	o.annotate(map[string]any{paused: "true"})
	o.expect(model.ConditionPaused, "True", "ScaledObjectPaused")
	o.event("ScaledObjectPaused", "paused")
	o.ready()
	s.noHPA("keda-hpa-" + worker)
	m.set(9)
	asked := m.requests()
	witness.askedAgain(3)
	if again := m.requests(); again != asked {
		s.failf("the source was asked %d times while paused", again-asked)
	}
	s.replicas(3)
	o.annotate(map[string]any{paused: "false"})
	o.expect(model.ConditionPaused, "False", "ScaledObjectUnpaused")
	o.event("ScaledObjectUnpaused", "no longer paused")
	s.settled(9)
}

// TestPausedFalse: "false" is not paused.
func TestPausedFalse(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 2)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1), annotated(paused, "false"), annotated(pausedScaleIn, "false"), annotated(pausedScaleOut, "false")))
	o.ready()
	o.expect(model.ConditionPaused, "False", "ScaledObjectUnpaused")
	s.settled(2)
	m.set(0)
	o.decided(model.RuleZero, 2, 0)
}

// TestPausedReplicas: the count is set once; one set by hand stays.
func TestPausedReplicas(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 3)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1)))
	s.settled(3)
	o.annotate(map[string]any{pausedReplicas: "5"})
	o.decided(model.RulePaused, 3, 5)
	s.noHPA("keda-hpa-" + worker)
	s.eventually("the status has the paused count", func() error {
		status, _, err := o.status()
		if err != nil {
			return err
		}
		return differs(new(int32(5)), status.PausedReplicaCount)
	})
	s.scale(worker, 4)
	o.annotate(map[string]any{"touched": "yes"})
	o.expect(model.ConditionPaused, "True", "ScaledObjectPaused")
	s.replicas(4)
	o.annotate(map[string]any{pausedReplicas: "0"})
	o.decided(model.RulePaused, 4, 0)
	o.annotate(map[string]any{pausedReplicas: nil})
	o.decided(model.RuleJumpStart, 0, 3)
	s.settled(3)
}

// scale sets a Deployment's count by hand.
func (s *story) scale(name string, n int32) {
	s.Helper()
	_, err := s.kubectl("scale", "deployment", name, "-n", s.namespace, fmt.Sprintf("--replicas=%d", n))
	s.must(err)
}

// TestPausedScaleIn: nothing is lowered, by us or by the HPA; raising goes on.
func TestPausedScaleIn(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 4)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1), annotated(pausedScaleIn, "true"), hpaConfig("", quickScaleDown())))
	s.settled(4)
	down := s.hpa("keda-hpa-" + worker).Spec.Behavior.ScaleDown
	if down.SelectPolicy == nil || *down.SelectPolicy != autoscalingv2.DisabledPolicySelect {
		s.failf("the HPA's scaleDown is %+v", down)
	}
	replicas := s.follow(worker)
	m.set(0)
	o.expect(model.ConditionActive, "False", "ScalerNotActive", "scaling in is paused")
	m.set(6)
	s.settled(6)
	if least := slices.Min(replicas.seen()); least != 4 {
		s.failf("the counts were %v; expected never less than 4", replicas.seen())
	}
	m.set(0)
	o.annotate(map[string]any{pausedScaleIn: nil})
	s.replicas(0)
}

// TestPausedScaleOut: nothing is raised, not even from zero; lowering goes on.
func TestPausedScaleOut(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 4)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1), annotated(pausedScaleOut, "true"), func(o *kedav1.ScaledObject) { o.Spec.CooldownPeriod = new(int32(3)) }))
	o.expect(model.ConditionActive, "True", "ScalerActive", "scaling out is paused")
	s.replicas(0)
	up := s.hpa("keda-hpa-" + worker).Spec.Behavior.ScaleUp
	if up.SelectPolicy == nil || *up.SelectPolicy != autoscalingv2.DisabledPolicySelect {
		s.failf("the HPA's scaleUp is %+v", up)
	}
	o.annotate(map[string]any{pausedScaleOut: nil})
	o.decided(model.RuleJumpStart, 0, 4)
	s.settled(4)
	o.annotate(map[string]any{pausedScaleOut: "true"})
	o.expect(model.ConditionPaused, "False", "ScaledObjectUnpaused", "scaling out is")
	m.set(0)
	o.decided(model.RuleZero, 4, 0)
}
