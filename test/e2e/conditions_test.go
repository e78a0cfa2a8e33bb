package e2e

import (
	"strings"
	"testing"
	"time"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// TestMistakes: all that is wrong is said at once, each with its field, what
// was found and what is expected.
func TestMistakes(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*kedav1.ScaledObject)
		texts  []string
	}{
		"an unknown type": {
			func(o *kedav1.ScaledObject) { o.Spec.Triggers[0].Type = "kafak" },
			[]string{`spec.triggers[0].type: found "kafak"`, "did you mean kafka?"},
		},
		"a type whose source has ended": {
			func(o *kedav1.ScaledObject) { o.Spec.Triggers[0].Type = "stan" },
			[]string{"spec.triggers[0].type", "its successor is NATS JetStream"},
		},
		"parameters": {
			func(o *kedav1.ScaledObject) {
				o.Spec.Triggers[0].Metadata = map[string]string{"url": "http://x", "targetValue": "many"}
			},
			[]string{"metadata.valueLocation: is missing", `metadata.targetValue: found "many"`},
		},
		"counts": {
			func(o *kedav1.ScaledObject) { limits(5, 2)(o) },
			[]string{"spec.minReplicaCount: found 5, above maxReplicaCount, which is 2"},
		},
		"two names": {
			func(o *kedav1.ScaledObject) {
				o.Spec.Triggers[0].Name = "same"
				o.Spec.Triggers = append(o.Spec.Triggers, *o.Spec.Triggers[0].DeepCopy())
			},
			[]string{`spec.triggers[1].name: found "same"`},
		},
		"a paused count": {
			func(o *kedav1.ScaledObject) { annotated(pausedReplicas, "few")(o) },
			[]string{pausedReplicas, `found "few"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStory(t)
			m := newMeter(s, 5)
			s.create(deployment(worker, 1))
			replicas := s.follow(worker)
			o := s.apply(scaledObject(m.trigger(1), tt.change))
			o.expect(model.ConditionReady, "False", "ScaledObjectCheckFailed", tt.texts...)
			o.expect(model.ConditionActive, "Unknown", "ScaledObjectCheckFailed")
			o.event("ScaledObjectCheckFailed", tt.texts[0])
			if seen := replicas.seen(); len(seen) > 1 {
				s.failf("the counts were %v; expected 1 only", seen)
			}
		})
	}
}

// TestMistakeMended: an object that was wrong works once it is right, and one
// that was right stops when it is made wrong, without losing replicas.
func TestMistakeMended(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 3)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1, withMetadata("targetValue", "0"))))
	o.expect(model.ConditionReady, "False", "ScaledObjectCheckFailed", `metadata.targetValue: found "0"`)
	o.patch(`{"spec":{"triggers":%s}}`, marshal(s, m.trigger(1)))
	o.ready()
	o.event("ScaledObjectReady", "ready for scaling")
	s.settled(3)
	o.patch(`{"spec":{"triggers":%s}}`, marshal(s, m.trigger(1, withMetadata("format", "jsn"))))
	o.expect(model.ConditionReady, "False", "ScaledObjectCheckFailed", "metadata.format")
	m.set(0)
	s.replicas(3)
	o.patch(`{"spec":{"triggers":%s}}`, marshal(s, m.trigger(1)))
	o.decided(model.RuleZero, 3, 0)
}

// TestKubectlWait: conditions have what kubectl and GitOps tools look at.
func TestKubectlWait(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	s.create(deployment(worker, 0))
	o := s.apply(scaledObject(m.trigger(1)))
	out, err := s.kubectl("wait", "--for=condition=Ready", "so/"+worker, "-n", s.namespace, "--timeout=60s")
	s.must(err)
	if !strings.Contains(out, "condition met") {
		s.failf("kubectl wait says %q", out)
	}
	ready := o.expect(model.ConditionReady, "True", "ScaledObjectReady")
	columns(s, "so", strings.Fields("NAME SCALETARGETKIND SCALETARGETNAME MIN MAX READY ACTIVE FALLBACK PAUSED TRIGGERS AUTHENTICATIONS AGE"),
		[]string{worker, "apps/v1.Deployment", worker, "True", "False", "False", "False", "metrics-api"})

	// A new generation is spoken of, though the status stays as it is.
	o.patch(`{"spec":{"maxReplicaCount":7}}`)
	again := o.expect(model.ConditionReady, "True", "ScaledObjectReady")
	if again.ObservedGeneration != ready.ObservedGeneration+1 {
		s.failf("the condition speaks of generation %d, then of %d", ready.ObservedGeneration, again.ObservedGeneration)
	}
	if !again.LastTransitionTime.Equal(ready.LastTransitionTime) {
		s.failf("lastTransitionTime moved from %s to %s while the status stayed True", ready.LastTransitionTime, again.LastTransitionTime)
	}
	active := o.expect(model.ConditionActive, "False", "ScalerNotActive")
	m.set(1)
	now := o.expect(model.ConditionActive, "True", "ScalerActive")
	if now.LastTransitionTime.Before(active.LastTransitionTime) || time.Since(now.LastTransitionTime.Time) > time.Minute {
		s.failf("lastTransitionTime is %s after the change", now.LastTransitionTime)
	}
}

// TestNothingWrittenAtRest: an object about which nothing changes is not
// written, active or not.
func TestNothingWrittenAtRest(t *testing.T) {
	s := newStory(t)
	idle, busy := newMeter(s, 0), newMeter(s, 3)
	s.create(deployment(worker, 0), deployment("busy", 0))
	o := s.apply(scaledObject(idle.trigger(1)))
	other := s.apply(scaledObject(busy.trigger(1), func(o *kedav1.ScaledObject) { o.Name, o.Spec.ScaleTargetRef.Name = "busy", "busy" }))
	o.expect(model.ConditionHPAActive, "False", "ScalingDisabled")
	o.ready()
	s.settledOf("busy", 3)
	other.expect(model.ConditionHPAActive, "True", "HPAActive")
	other.expect(model.ConditionReady, "True", "ScaledObjectReady")
	versions := func() []string {
		a, err := o.read()
		s.must(err)
		b, err := other.read()
		s.must(err)
		return []string{a.GetResourceVersion(), b.GetResourceVersion()}
	}
	before := versions()
	idle.askedAgain(5)
	if err := differs(before, versions()); err != nil {
		s.failf("the objects were written at rest: %v", err)
	}
}
