package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// scaledKinds are the kinds that scale something.
func scaledKinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{
		firstv1.SchemeGroupVersion.WithKind("ScaledObject"),
		kedav1.SchemeGroupVersion.WithKind("ScaledObject"),
		kedav1.SchemeGroupVersion.WithKind("ScaledJob"),
	}
}

func (s *story) list(ctx context.Context, kind schema.GroupVersionKind) []unstructured.Unstructured {
	l := &unstructured.UnstructuredList{}
	l.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := s.client.List(ctx, l, client.InNamespace(s.namespace)); err != nil {
		s.Errorf("listing %s: %v", kind, err)
	}
	return l.Items
}

// subject is one ScaledObject or ScaledJob of either group.
type subject struct {
	*story
	kind schema.GroupVersionKind
	name string
}

// apply creates a ScaledObject or ScaledJob.
func (s *story) apply(o client.Object) *subject {
	s.Helper()
	s.create(o)
	kind, err := s.client.GroupVersionKindFor(o)
	s.must(err)
	return &subject{story: s, kind: kind, name: o.GetName()}
}

func (o *subject) read() (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(o.kind)
	return u, o.story.get(o.name, u)
}

// status reads the status. That of all kinds is a part of that of keda.sh's
// ScaledObject, in field names.
func (o *subject) status() (status kedav1.ScaledObjectStatus, generation int64, err error) {
	u, err := o.read()
	if err != nil {
		return status, 0, err
	}
	content, _, err := unstructured.NestedMap(u.Object, "status")
	if err == nil {
		err = runtime.DefaultUnstructuredConverter.FromUnstructured(content, &status)
	}
	return status, u.GetGeneration(), err
}

// expect waits until a condition has a status and a reason, about the object
// as it is now, and its message contains some texts.
func (o *subject) expect(condition, status, reason string, texts ...string) kedav1.Condition {
	o.Helper()
	var found kedav1.Condition
	o.eventually(fmt.Sprintf("condition %s of %s is %s with reason %s", condition, o.name, status, reason), func() error {
		s, generation, err := o.status()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(s.Conditions, func(c kedav1.Condition) bool { return c.Type == condition })
		if i < 0 {
			return fmt.Errorf("there is no such condition")
		}
		found = s.Conditions[i]
		switch {
		case string(found.Status) != status, found.Reason != reason:
			return fmt.Errorf("it is %s with reason %s: %s", found.Status, found.Reason, found.Message)
		case found.ObservedGeneration != generation, s.ObservedGeneration != generation:
			return fmt.Errorf("it speaks of generation %d (status of %d), the object has %d", found.ObservedGeneration, s.ObservedGeneration, generation)
		case found.LastTransitionTime.IsZero():
			return fmt.Errorf("it has no lastTransitionTime")
		}
		for _, text := range texts {
			if !strings.Contains(found.Message, text) {
				return fmt.Errorf("its message lacks %q: %s", text, found.Message)
			}
		}
		return nil
	})
	return found
}

// ready waits until the object is ready.
func (o *subject) ready() {
	o.Helper()
	o.expect(model.ConditionReady, "True", o.kind.Kind+"Ready")
}

// decided waits until the last decision is by a rule, with two counts.
func (o *subject) decided(rule model.Rule, from, to int32) kedav1.Decision {
	o.Helper()
	var found kedav1.Decision
	o.eventually(fmt.Sprintf("the last decision is %s from %d to %d", rule, from, to), func() error {
		s, _, err := o.status()
		if err != nil {
			return err
		}
		if s.LastDecision == nil {
			return fmt.Errorf("there is none")
		}
		found = *s.LastDecision
		if found.Rule != string(rule) || found.From != from || found.To != to {
			return fmt.Errorf("it is %s from %d to %d: %s", found.Rule, found.From, found.To, found.Message)
		}
		return nil
	})
	return found
}

// patch changes the object by a merge patch.
func (o *subject) patch(format string, args ...any) {
	o.Helper()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(o.kind)
	u.SetNamespace(o.namespace)
	u.SetName(o.name)
	o.must(o.client.Patch(o.ctx, u, merge(format, args...)))
}

// merge is a merge patch.
func merge(format string, args ...any) client.Patch {
	return client.RawPatch(types.MergePatchType, fmt.Appendf(nil, format, args...))
}

// annotate sets annotations; nil removes one.
func (o *subject) annotate(annotations map[string]any) {
	o.Helper()
	text, err := json.Marshal(annotations)
	o.must(err)
	o.patch(`{"metadata":{"annotations":%s}}`, text)
}

func (o *subject) delete() {
	o.Helper()
	u, err := o.read()
	o.must(err)
	o.must(o.client.Delete(o.ctx, u))
}

// gone waits until the object does not exist any more.
func (o *subject) gone() {
	o.Helper()
	o.eventually(o.kind.Kind+" "+o.name+" is gone", func() error {
		_, err := o.read()
		return mustBeGone(err)
	})
}

func mustBeGone(err error) error {
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("it exists")
}

// event waits for an event about the object whose note contains a text.
func (o *subject) event(reason, text string) {
	o.Helper()
	o.eventually(fmt.Sprintf("there is an event %s about %s", reason, o.name), func() error {
		var l eventsv1.EventList
		if err := o.client.List(o.ctx, &l, client.InNamespace(o.namespace)); err != nil {
			return err
		}
		var others []string
		for _, e := range l.Items {
			if e.Regarding.Kind != o.kind.Kind || e.Regarding.Name != o.name {
				continue
			}
			if e.Reason == reason && strings.Contains(e.Note, text) {
				return nil
			}
			others = append(others, e.Reason+": "+e.Note)
		}
		return fmt.Errorf("there are %q", others)
	})
}

// hpa waits until the HPA exists and returns it.
func (s *story) hpa(name string) *autoscalingv2.HorizontalPodAutoscaler {
	s.Helper()
	h := &autoscalingv2.HorizontalPodAutoscaler{}
	s.eventually("HPA "+name+" exists", func() error { return s.get(name, h) })
	return h
}

// noHPA waits until the HPA does not exist.
func (s *story) noHPA(name string) {
	s.Helper()
	s.eventually("HPA "+name+" does not exist", func() error {
		return mustBeGone(s.get(name, &autoscalingv2.HorizontalPodAutoscaler{}))
	})
}

// replicas waits until the Deployment worker asks for a number of replicas.
func (s *story) replicas(want int32) {
	s.Helper()
	s.replicasOf(worker, want)
}

func (s *story) replicasOf(name string, want int32) {
	s.Helper()
	s.eventually(fmt.Sprintf("Deployment %s asks for %d replicas", name, want), func() error {
		var d appsv1.Deployment
		if err := s.get(name, &d); err != nil {
			return err
		}
		if *d.Spec.Replicas != want {
			return fmt.Errorf("it asks for %d", *d.Spec.Replicas)
		}
		return nil
	})
}

// settled waits until the HPA controller, too, wants the Deployment worker to
// have a number of replicas, so that nothing is on its way any more.
func (s *story) settled(want int32) {
	s.Helper()
	s.settledOf(worker, want)
}

func (s *story) settledOf(name string, want int32) {
	s.Helper()
	s.replicasOf(name, want)
	s.eventually(fmt.Sprintf("the HPA wants %d replicas", want), func() error {
		var h autoscalingv2.HorizontalPodAutoscaler
		if err := s.get("keda-hpa-"+name, &h); err != nil {
			return err
		}
		for _, c := range h.Status.Conditions {
			if c.Type == autoscalingv2.ScalingActive && c.Status == "True" && h.Status.DesiredReplicas == want && h.Status.CurrentReplicas == want {
				return nil
			}
		}
		return fmt.Errorf("its status is %+v", h.Status)
	})
}
