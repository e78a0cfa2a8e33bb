package controller

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllertest"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

func TestReconcile(t *testing.T) {
	w := newWorld(t, object("so", 0))
	if result := w.reconcile(t, model.GroupToday, "so"); result.RequeueAfter != labelAfter {
		t.Errorf("%+v; expected to come back for the label", result)
	}

	var o kedav1.ScaledObject
	w.get(t, &o, "so")
	var h autoscalingv2.HorizontalPodAutoscaler
	w.get(t, &h, "keda-hpa-so")
	if h.Labels["scaledobject.keda.sh/name"] != "so" {
		t.Errorf("the HPA's labels are %v", h.Labels)
	}
	if !metav1.IsControlledBy(&h, &o) || h.Spec.ScaleTargetRef.Name != "app" || h.Spec.MaxReplicas != 100 || len(h.Spec.Metrics) != 1 {
		t.Errorf("HPA %+v of %v", h.Spec, h.OwnerReferences)
	}
	k := key(model.GroupToday, "so")
	if s := w.loop.set[k]; s.Problems.Err() != nil || len(s.Metrics) != 1 || s.Metrics[0].External != "s0-queue-jobs" {
		t.Errorf("subject %+v", s)
	}
	if len(w.poller.set[k]) != 1 {
		t.Errorf("the poller has %v", w.poller.set)
	}
	if found := w.store.Find("ns", "s0-queue-jobs"); len(found) != 1 || found[0].SelectorValue != "so" {
		t.Errorf("the store has %+v", found)
	}
	w.reconcile(t, model.GroupToday, "so") // the object's own label comes after the HPA
	w.get(t, &o, "so")
	if len(o.Finalizers) > 0 || o.Labels["scaledobject.keda.sh/name"] != "so" {
		t.Errorf("finalizers %v, labels %v", o.Finalizers, o.Labels)
	}
	w.reconcile(t, model.GroupToday, "so")
	var again kedav1.ScaledObject
	w.get(t, &again, "so")
	if again.ResourceVersion != o.ResourceVersion {
		t.Error("the object was written again, though nothing had changed")
	}
}

func TestFirstGroup(t *testing.T) {
	w := newWorld(t, &firstv1.ScaledObject{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "so", UID: "u"},
		Spec: firstv1.ScaledObjectSpec{
			ScaleTargetRef: &firstv1.ObjectReference{DeploymentName: "app"},
			Triggers:       []firstv1.ScaleTriggers{{Type: "queue", Metadata: map[string]string{"queueName": "jobs"}}},
		},
	})
	w.reconcile(t, model.GroupFirst, "so")
	w.reconcile(t, model.GroupFirst, "so")
	var o firstv1.ScaledObject
	w.get(t, &o, "so")
	if len(o.Finalizers) > 0 || o.Labels["deploymentName"] != "app" {
		t.Errorf("finalizers %v, labels %v", o.Finalizers, o.Labels)
	}
	if diff := cmp.Diff([]string{"keda-hpa-app"}, w.hpas(t)); diff != "" {
		t.Error(diff)
	}
}

// TestProblems: what is wrong stops measuring and scaling, and reaches the
// status; an HPA that is there is left as it was.
func TestProblems(t *testing.T) {
	tests := map[string]struct {
		change func(*kedav1.ScaledObject)
		want   string // part of a problem
	}{
		"an unknown type":    {func(o *kedav1.ScaledObject) { o.Spec.Triggers[0].Type = "queu" }, "did you mean queue?"},
		"a malformed number": {func(o *kedav1.ScaledObject) { o.Spec.Triggers[0].Metadata["queueLength"] = "x" }, "queueLength"},
		"counts at odds":     {func(o *kedav1.ScaledObject) { n := int32(200); o.Spec.MinReplicaCount = &n }, "minReplicaCount"},
		"no target":          {func(o *kedav1.ScaledObject) { o.Spec.ScaleTargetRef = nil }, "scaleTargetRef"},
		"missing credentials": {func(o *kedav1.ScaledObject) {
			o.Spec.Triggers[0].AuthenticationRef = &kedav1.AuthenticationRef{Name: "a"}
		}, "no such Secret"},
		"a formula over nothing": {func(o *kedav1.ScaledObject) {
			o.Spec.Advanced = &kedav1.AdvancedConfig{ScalingModifiers: kedav1.ScalingModifiers{Formula: "lag", Target: "1"}}
		}, `uses "lag"`},
		"a malformed reference": {func(o *kedav1.ScaledObject) { o.Spec.ScaleTargetRef.APIVersion = "a/b/c" }, "apiVersion"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, object("so", 0))
			w.resolver.problems.Errorf("spec.triggers[0].authenticationRef", "no such Secret")
			w.reconcile(t, model.GroupToday, "so")
			var o kedav1.ScaledObject
			w.get(t, &o, "so")
			tt.change(&o)
			if err := w.client.Update(t.Context(), &o); err != nil {
				t.Fatal(err)
			}
			w.reconcile(t, model.GroupToday, "so")
			k := key(model.GroupToday, "so")
			s := w.loop.set[k]
			var said []string
			for _, p := range s.Problems.Errors() {
				said = append(said, p.String())
			}
			if all := strings.Join(said, "\n"); !strings.Contains(all, tt.want) {
				t.Errorf("problems %q; expected %q in them", all, tt.want)
			}
			if len(w.poller.set) > 0 || len(w.store.Keys()) > 0 {
				t.Errorf("still measured: %v, %v", w.poller.set, w.store.Keys())
			}
			if diff := cmp.Diff([]string{"keda-hpa-so"}, w.hpas(t)); diff != "" {
				t.Errorf("HPAs: %s", diff)
			}
		})
	}
}

// TestRivals: of two objects on one target the older one scales, in whatever
// order they are seen, and the other follows when it goes.
func TestRivals(t *testing.T) {
	for name, order := range map[string][]string{"the older first": {"old", "new"}, "the newer first": {"new", "old"}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, object("old", 0), object("new", 5))
			for _, n := range order {
				w.reconcile(t, model.GroupToday, n)
			}
			for _, n := range w.queued() {
				w.reconcile(t, model.GroupToday, n)
			}
			if diff := cmp.Diff([]string{"keda-hpa-old"}, w.hpas(t)); diff != "" {
				t.Errorf("HPAs: %s", diff)
			}
			s := w.loop.set[key(model.GroupToday, "new")]
			if err := s.Problems.Err(); err == nil || !strings.Contains(err.Error(), "already scaled by ScaledObject.keda.sh ns/old") {
				t.Errorf("the newer one's problems: %v", err)
			}
			if len(w.poller.set) != 1 {
				t.Errorf("the poller has %v", w.poller.set)
			}

			var o kedav1.ScaledObject
			w.get(t, &o, "old")
			if err := w.client.Delete(t.Context(), &o); err != nil {
				t.Fatal(err)
			}
			w.reconcile(t, model.GroupToday, "old")
			if queued := w.queued(); !slices.Contains(queued, "new") {
				t.Errorf("queued %v; expected the one that waited", queued)
			}
			w.reconcile(t, model.GroupToday, "new")
			if diff := cmp.Diff([]string{"keda-hpa-new"}, w.hpas(t)); diff != "" {
				t.Errorf("HPAs after the older one went: %s", diff)
			}
		})
	}
}

func TestDeletion(t *testing.T) {
	restore := func(o *kedav1.ScaledObject) {
		o.Spec.Advanced = &kedav1.AdvancedConfig{RestoreToOriginalReplicaCount: true}
		n := int32(7)
		o.Status.OriginalReplicaCount = &n
	}
	tests := map[string]struct {
		change func(*kedav1.ScaledObject)
		gone   bool // the target
		want   map[string]int32
	}{
		"as it is":                     {func(*kedav1.ScaledObject) {}, false, map[string]int32{}},
		"with upstream's finalizer":    {func(o *kedav1.ScaledObject) { o.Finalizers = []string{kedav1.Finalizer} }, false, map[string]int32{}},
		"with restore":                 {restore, false, map[string]int32{"app": 7}},
		"with restore, but it is gone": {restore, true, map[string]int32{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, object("so", 0, tt.change))
			w.reconcile(t, model.GroupToday, "so")
			var o kedav1.ScaledObject
			w.get(t, &o, "so")
			if held := slices.Contains(o.Finalizers, kedav1.Finalizer); held != strings.HasPrefix(name, "with restore") {
				t.Errorf("finalizers %v", o.Finalizers)
			}
			if err := w.client.Delete(t.Context(), &o); err != nil {
				t.Fatal(err)
			}
			if tt.gone {
				delete(w.targets, "app")
			}
			w.reconcile(t, model.GroupToday, "so")
			if diff := cmp.Diff(tt.want, w.scaled); diff != "" {
				t.Errorf("scaled: %s", diff)
			}
			if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(&o), &o); !apierrors.IsNotFound(err) {
				t.Errorf("the object is still there: %v", err)
			}
			if len(w.hpas(t))+len(w.poller.set)+len(w.loop.set)+len(w.store.Keys()) > 0 {
				t.Errorf("left behind: %v %v %v %v", w.hpas(t), w.poller.set, w.loop.set, w.store.Keys())
			}
			if e := <-w.events.Events; !strings.Contains(e, "ScaledObjectDeleted") {
				t.Errorf("event %q", e)
			}
			w.reconcile(t, model.GroupToday, "so") // once more, when it has gone
		})
	}
}

// TestSecretChange: a change of what a trigger refers to looks at its users
// again, and at nobody else.
func TestSecretChange(t *testing.T) {
	withAuth := func(o *kedav1.ScaledObject) {
		o.Spec.Triggers[0].AuthenticationRef = &kedav1.AuthenticationRef{Name: "a"}
	}
	w := newWorld(t, object("user", 0, withAuth), object("other", 0, func(o *kedav1.ScaledObject) { o.Spec.ScaleTargetRef.Name = "other" }))
	w.resolver.creds.Used = []model.Reference{
		{Kind: "Secret", Namespace: "ns", Name: "creds"}, {Kind: "TriggerAuthentication", Namespace: "ns", Name: "a"}, {Kind: "Deployment", Namespace: "ns", Name: "app"},
	}
	w.reconcile(t, model.GroupToday, "user")
	w.reconcile(t, model.GroupToday, "other")
	if diff := cmp.Diff([]string{"user"}, w.queued()); diff != "" {
		t.Errorf("after the first look, for what may have changed meanwhile: %s", diff)
	}
	w.reconcile(t, model.GroupToday, "user")
	if queued := w.queued(); len(queued) > 0 {
		t.Errorf("queued %v, though nothing had changed", queued)
	}
	informer := func(gvk schema.GroupVersionKind) *controllertest.FakeInformer {
		return w.caches.InformersByGVK[gvk].(*controllertest.FakeInformer)
	}
	secret := func(name, version string) *metav1.PartialObjectMetadata {
		m := metadataOf("Secret").(*metav1.PartialObjectMetadata)
		m.Namespace, m.Name, m.ResourceVersion = "ns", name, version
		return m
	}
	secrets := informer(corev1.SchemeGroupVersion.WithKind("Secret"))
	first := &firstv1.TriggerAuthentication{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a"}}
	today := &kedav1.TriggerAuthentication{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a"}}
	for _, tt := range []struct {
		name   string
		change func()
		want   []string
	}{
		{"a Secret in use", func() { secrets.Update(secret("creds", "1"), secret("creds", "2")) }, []string{"user"}},
		{"a Secret made", func() { secrets.Add(secret("creds", "1")) }, []string{"user"}},
		{"a Secret deleted", func() { secrets.Delete(secret("creds", "2")) }, []string{"user"}},
		{"a resync", func() { secrets.Update(secret("creds", "2"), secret("creds", "2")) }, nil},
		{"a Secret of others", func() { secrets.Update(secret("unused", "1"), secret("unused", "2")) }, nil},
		{"an auth object", func() { informer(kedav1.SchemeGroupVersion.WithKind("TriggerAuthentication")).Add(today) }, []string{"user"}},
		{"an auth object of the first API", func() { informer(firstv1.SchemeGroupVersion.WithKind("TriggerAuthentication")).Add(first) }, []string{"user"}},
	} {
		tt.change()
		if diff := cmp.Diff(tt.want, w.queued()); diff != "" {
			t.Errorf("%s: queued %s", tt.name, diff)
		}
	}
}

func TestPause(t *testing.T) {
	w := newWorld(t, object("so", 0))
	w.reconcile(t, model.GroupToday, "so")
	var o kedav1.ScaledObject
	w.get(t, &o, "so")
	o.Annotations = map[string]string{"autoscaling.keda.sh/paused": "true"}
	if err := w.client.Update(t.Context(), &o); err != nil {
		t.Fatal(err)
	}
	w.reconcile(t, model.GroupToday, "so")
	if len(w.hpas(t)) > 0 || len(w.poller.set) > 0 {
		t.Errorf("paused, but there is %v, %v", w.hpas(t), w.poller.set)
	}
	delete(o.Annotations, "autoscaling.keda.sh/paused")
	w.get(t, &o, "so")
	o.Annotations = nil
	if err := w.client.Update(t.Context(), &o); err != nil {
		t.Fatal(err)
	}
	w.reconcile(t, model.GroupToday, "so")
	if len(w.hpas(t)) != 1 || len(w.poller.set) != 1 {
		t.Errorf("no longer paused, but there is %v, %v", w.hpas(t), w.poller.set)
	}
}

// TestForeignHPA: an HPA of somebody else is left alone until the user asks to
// take it over.
func TestForeignHPA(t *testing.T) {
	theirs := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "keda-hpa-so"}, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 3}}
	w := newWorld(t, object("so", 0), theirs)
	w.reconcile(t, model.GroupToday, "so")
	s := w.loop.set[key(model.GroupToday, "so")]
	if err := s.Problems.Err(); err == nil || !strings.Contains(err.Error(), "belongs to") {
		t.Errorf("problems: %v", err)
	}
	var h autoscalingv2.HorizontalPodAutoscaler
	w.get(t, &h, "keda-hpa-so")
	if h.Spec.MaxReplicas != 3 {
		t.Errorf("it was changed: %+v", h.Spec)
	}
}

// TestNoTargetYet: without a target there is no HPA and no problem; the loop
// says so in the status.
func TestNoTargetYet(t *testing.T) {
	w := newWorld(t, object("so", 0))
	delete(w.targets, "app")
	w.reconcile(t, model.GroupToday, "so")
	if s := w.loop.set[key(model.GroupToday, "so")]; s.Problems.Err() != nil || len(w.hpas(t)) > 0 {
		t.Errorf("problems %v, HPAs %v", s.Problems, w.hpas(t))
	}
}

func TestWriteStatus(t *testing.T) {
	w := newWorld(t, object("so", 0))
	k := key(model.GroupToday, "so")
	after := model.Status{HPAName: "keda-hpa-so", Conditions: []model.Condition{{Type: "Ready", Status: "True"}}}
	event := decide.Event{Type: "Normal", Reason: "Ready", Message: "ready for scaling"}
	if err := w.WriteStatus(t.Context(), k, model.Status{}, after, []decide.Event{event}); err != nil {
		t.Fatal(err)
	}
	var o kedav1.ScaledObject
	w.get(t, &o, "so")
	if o.Status.HpaName != "keda-hpa-so" || len(o.Status.Conditions) != 1 {
		t.Errorf("status %+v", o.Status)
	}
	if e := <-w.events.Events; !strings.Contains(e, "ready for scaling") {
		t.Errorf("event %q", e)
	}
	version := o.ResourceVersion
	if err := w.WriteStatus(t.Context(), k, after, after, nil); err != nil {
		t.Fatal(err)
	}
	w.get(t, &o, "so")
	if o.ResourceVersion != version {
		t.Error("a status that says the same was written")
	}
	if err := w.WriteStatus(t.Context(), key(model.GroupToday, "gone"), model.Status{}, after, nil); err != nil {
		t.Errorf("the status of an object that has gone: %v", err)
	}
}

// TestIdentity: triggers are measured as one only when everything about them
// is equal.
func TestIdentity(t *testing.T) {
	of := func(group model.Group, namespace, kind, creds string, metadata map[string]string) string {
		return identity(&model.Workload{Key: model.Key{Group: group, Namespace: namespace}, Triggers: []model.Trigger{{Type: kind, Metadata: metadata}}}, 0, nil, creds)
	}
	object := func(name string, cfg scaler.Config) string {
		return identity(&model.Workload{Key: model.Key{Name: name}, Triggers: []model.Trigger{{Type: "queue"}}}, 0, cfg, "")
	}
	if object("a", &lists{}) != object("b", &lists{}) || object("a", &stated{}) == object("b", &stated{}) {
		t.Error("objects share measurements; expected it unless the source is told the object's name")
	}
	m := map[string]string{"a": "b", "c": "d"}
	base := of(model.GroupToday, "ns", "queue", "x", m)
	if again := of(model.GroupToday, "ns", "queue", "x", map[string]string{"c": "d", "a": "b"}); again != base {
		t.Error("equal triggers differ")
	}
	for name, other := range map[string]string{
		"group": of(model.GroupFirst, "ns", "queue", "x", m), "namespace": of(model.GroupToday, "other", "queue", "x", m),
		"type": of(model.GroupToday, "ns", "kafka", "x", m), "credentials": of(model.GroupToday, "ns", "queue", "y", m),
		"metadata": of(model.GroupToday, "ns", "queue", "x", map[string]string{"a": "bc", "": "d"}),
	} {
		if other == base {
			t.Errorf("triggers that differ in %s are taken as one", name)
		}
	}
}
