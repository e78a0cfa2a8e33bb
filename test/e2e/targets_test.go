package e2e

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

func TestStatefulSet(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	set := &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: worker},
		Spec: appsv1.StatefulSetSpec{
			Replicas: new(int32(0)), Selector: selector(worker), Template: pods(worker), PodManagementPolicy: appsv1.ParallelPodManagement,
		},
	}
	s.create(set)
	o := s.apply(scaledObject(m.trigger(2), func(o *kedav1.ScaledObject) { o.Spec.ScaleTargetRef.Kind = "StatefulSet" }))
	o.ready()
	m.set(9)
	o.decided(model.RuleJumpStart, 0, 5)
	s.eventually("the StatefulSet has 5 replicas", func() error {
		if err := s.get(worker, set); err != nil {
			return err
		}
		return differs(int32(5), *set.Spec.Replicas)
	})
	status, _, err := o.status()
	s.must(err)
	if status.ScaleTargetKind != "apps/v1.StatefulSet" || status.ScaleTargetGVKR == nil || status.ScaleTargetGVKR.Resource != "statefulsets" {
		s.failf("the status says that the target is %q, %+v", status.ScaleTargetKind, status.ScaleTargetGVKR)
	}
	if got := s.hpa("keda-hpa-" + worker).Spec.ScaleTargetRef; got.Kind != "StatefulSet" || got.APIVersion != "apps/v1" || got.Name != worker {
		s.failf("the HPA scales %+v", got)
	}
	m.set(0)
	s.eventually("the StatefulSet has no replicas", func() error {
		if err := s.get(worker, set); err != nil {
			return err
		}
		return differs(int32(0), *set.Spec.Replicas)
	})
}

const crewCRD = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[2]s.e2e.example}
spec:
  group: e2e.example
  scope: Namespaced
  names: {kind: %[1]s, listKind: %[1]sList, plural: %[2]s, singular: %[3]s}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {members: {type: integer}}}
          status: {type: object, properties: {members: {type: integer}, selector: {type: string}}}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.members, statusReplicasPath: .status.members, labelSelectorPath: .status.selector}
`

// defineKind makes a kind with a scale subresource.
func defineKind(s *story, kind, plural, singular string) schema.GroupVersionKind {
	s.Helper()
	crd := &unstructured.Unstructured{}
	s.must(yaml.Unmarshal(fmt.Appendf(nil, crewCRD, kind, plural, singular), &crd.Object))
	s.must(s.client.Create(s.ctx, crd))
	return schema.GroupVersionKind{Group: "e2e.example", Version: "v1", Kind: kind}
}

// newCustom makes an object of a kind that has just been defined.
func newCustom(s *story, kind schema.GroupVersionKind) *unstructured.Unstructured {
	s.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"members": int64(0)}}}
	u.SetGroupVersionKind(kind)
	u.SetNamespace(s.namespace)
	u.SetName(worker)
	s.eventually("the API server serves "+kind.Kind, func() error {
		err := s.client.Create(s.ctx, u)
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
			return err
		}
		s.must(err)
		return nil
	})
	return u
}

func members(s *story, u *unstructured.Unstructured, want int64) {
	s.Helper()
	s.eventually(fmt.Sprintf("the %s has %d members", u.GetKind(), want), func() error {
		if err := s.get(u.GetName(), u); err != nil {
			return err
		}
		got, _, err := unstructured.NestedInt64(u.Object, "spec", "members")
		if err != nil {
			return err
		}
		return differs(want, got)
	})
}

// TestCustomResource: anything with a scale subresource can be scaled, once a
// labelled ClusterRole lets the operator watch it.
func TestCustomResource(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 0)
	allowWatching(s, "crews")
	kind := defineKind(s, "Crew", "crews", "crew")
	crew := newCustom(s, kind)
	o := s.apply(scaledObject(m.trigger(2), func(o *kedav1.ScaledObject) {
		o.Spec.ScaleTargetRef.APIVersion, o.Spec.ScaleTargetRef.Kind = "e2e.example/v1", "Crew"
	}))
	o.ready()
	m.set(7)
	o.decided(model.RuleJumpStart, 0, 4)
	members(s, crew, 4)
	status, _, err := o.status()
	s.must(err)
	if status.ScaleTargetKind != "e2e.example/v1.Crew" {
		s.failf("the status says that the target is %q", status.ScaleTargetKind)
	}
	m.set(0)
	members(s, crew, 0)
}

// TestNoScale: what can't be scaled is said, with what to do.
func TestNoScale(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 1)
	for kind, version := range map[string]string{"ConfigMap": "v1", "Nonsense": "nowhere.example/v1"} {
		o := s.apply(scaledObject(m.trigger(1), func(o *kedav1.ScaledObject) {
			o.Name = "on-" + map[string]string{"ConfigMap": "configmap", "Nonsense": "nonsense"}[kind]
			o.Spec.ScaleTargetRef.APIVersion, o.Spec.ScaleTargetRef.Kind, o.Spec.ScaleTargetRef.Name = version, kind, "kube-root-ca.crt"
		}))
		o.expect(model.ConditionReady, "False", "ScaleTargetNotScalable", kind, "scaleTargetRef")
	}
}

// TestTargetLater: an object may be there before its target.
func TestTargetLater(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 3)
	o := s.apply(scaledObject(m.trigger(1)))
	o.expect(model.ConditionReady, "False", "ScaleTargetNotFound", "apps/v1.Deployment "+s.namespace+"/"+worker+" does not exist")
	o.event("ScaledObjectCheckFailed", "does not exist")
	s.create(deployment(worker, 0))
	o.ready()
	o.decided(model.RuleJumpStart, 0, 3)
	s.settled(3)

	s.must(s.client.Delete(s.ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: worker}}))
	o.expect(model.ConditionReady, "False", "ScaleTargetNotFound")
	s.create(deployment(worker, 1))
	o.ready()
	s.settled(3)
}

// TestOneObjectPerTarget: of two objects for one target, of whatever group,
// the younger says so and does nothing; it takes over when the older goes.
func TestOneObjectPerTarget(t *testing.T) {
	s := newStory(t)
	m, n := newMeter(s, 2), newMeter(s, 6)
	s.create(deployment(worker, 0))
	older := s.apply(firstObject("older", m.first(1)))
	older.decided(model.RuleJumpStart, 0, 2)
	s.settled(2)
	younger := s.apply(scaledObject(n.trigger(1), func(o *kedav1.ScaledObject) { o.Name = "younger" }))
	younger.expect(model.ConditionReady, "False", "ScaledObjectCheckFailed", "spec.scaleTargetRef", "ScaledObject.keda.k8s.io "+s.namespace+"/older")
	older.ready()
	s.noHPA("keda-hpa-younger")
	s.replicas(2)

	older.delete()
	older.gone()
	younger.ready()
	s.eventually("the younger one scales", func() error {
		var d appsv1.Deployment
		if err := s.get(worker, &d); err != nil {
			return err
		}
		return differs(int32(6), *d.Spec.Replicas)
	})
	s.hpa("keda-hpa-younger")
	s.noHPA("keda-hpa-" + worker)
}

// TestUnwatchedKind: a kind that the operator may not watch is said to be so,
// holds up nobody else, and is scaled once a labelled ClusterRole allows it.
func TestUnwatchedKind(t *testing.T) {
	s := newStory(t)
	m := newMeter(s, 3)
	kind := defineKind(s, "Unwatched", "unwatcheds", "unwatched")
	target := newCustom(s, kind)
	o := s.apply(scaledObject(m.trigger(1), func(o *kedav1.ScaledObject) {
		o.Spec.ScaleTargetRef.APIVersion, o.Spec.ScaleTargetRef.Kind = "e2e.example/v1", "Unwatched"
	}))
	o.expect(model.ConditionReady, "False", "ErrorGettingCurrentReplicas", "Unwatched", "the operator needs get, list and watch")
	s.create(deployment("other", 0))
	other := s.apply(scaledObject(m.trigger(1), func(o *kedav1.ScaledObject) { o.Name, o.Spec.ScaleTargetRef.Name = "other", "other" }))
	other.decided(model.RuleJumpStart, 0, 3)
	allowWatching(s, "unwatcheds")
	o.decided(model.RuleJumpStart, 0, 3)
	members(s, target, 3)
}

// allowWatching lets the operator watch a kind of these tests.
func allowWatching(s *story, plural string) {
	s.Helper()
	s.create(&rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-" + plural, Labels: map[string]string{"keda.sh/aggregate-to-operator": "true"}},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"e2e.example"}, Resources: []string{plural}, Verbs: []string{"get", "list", "watch"}}},
	})
}
