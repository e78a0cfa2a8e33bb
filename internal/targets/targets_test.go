package targets

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	scalefake "k8s.io/client-go/scale/fake"
	clienttesting "k8s.io/client-go/testing"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllertest"

	"github.com/kedago/keda/internal/model"
)

var t0 = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

var rolloutKind = schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "Rollout"}

// caches holds objects by kind and name; its informers are fake ones.
type caches struct {
	*informertest.FakeInformers
	objects map[ID]client.Object
}

func (c *caches) GetInformer(_ context.Context, obj client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	gvk := c.kindOf(obj)
	if c.InformersByGVK == nil {
		c.InformersByGVK = map[schema.GroupVersionKind]toolscache.SharedIndexInformer{}
	}
	if c.InformersByGVK[gvk] == nil {
		c.InformersByGVK[gvk] = controllertest.NewFakeInformer(controllertest.Synced)
	}
	return c.InformersByGVK[gvk], nil
}

func (c *caches) kindOf(obj client.Object) schema.GroupVersionKind {
	switch obj.(type) {
	case *appsv1.Deployment:
		return deploymentKind
	case *appsv1.StatefulSet:
		return statefulSetKind
	}
	return obj.GetObjectKind().GroupVersionKind()
}

func (c *caches) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	have, ok := c.objects[ID{c.kindOf(obj), key.Namespace, key.Name}]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	switch o := obj.(type) {
	case *appsv1.Deployment:
		have.(*appsv1.Deployment).DeepCopyInto(o)
	case *appsv1.StatefulSet:
		have.(*appsv1.StatefulSet).DeepCopyInto(o)
	case *metav1.PartialObjectMetadata:
		have.(*metav1.PartialObjectMetadata).DeepCopyInto(o)
	}
	return nil
}

type world struct {
	*Tracker
	caches   *caches
	scales   *scalefake.FakeScaleClient
	now      time.Time
	notified []ID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{caches: &caches{&informertest.FakeInformers{Scheme: scheme.Scheme}, map[ID]client.Object{}}, scales: &scalefake.FakeScaleClient{}, now: t0}
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, k := range []schema.GroupVersionKind{deploymentKind, statefulSetKind, rolloutKind} {
		mapper.Add(k, meta.RESTScopeNamespace)
	}
	w.Tracker = New(w.caches, w.scales, mapper, func() time.Time { return w.now }, func(id ID) { w.notified = append(w.notified, id) })
	return w
}

func deployment(replicas *int32, version string) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app", ResourceVersion: version}, Spec: appsv1.DeploymentSpec{Replicas: replicas}}
}

func count(n int32) *int32 { return &n }

func app(kind schema.GroupVersionKind) ID { return ID{kind, "ns", "app"} }

func (w *world) replicas(t *testing.T, id ID) int32 {
	t.Helper()
	s, err := w.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return s.Replicas
}

func TestGet(t *testing.T) {
	w := newWorld(t)
	w.caches.objects[app(deploymentKind)] = deployment(count(3), "7")
	w.caches.objects[app(statefulSetKind)] = &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "8"}}
	got, err := w.Get(t.Context(), app(deploymentKind))
	want := Scale{Replicas: 3, Version: "7", GVKR: model.GVKR{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if n := w.replicas(t, app(statefulSetKind)); n != 1 {
		t.Errorf("a count that is not set is %d; expected 1", n)
	}
	if _, err := w.Get(t.Context(), ID{deploymentKind, "ns", "none"}); !errors.Is(err, model.ErrTargetNotFound) {
		t.Errorf("none of that name: %v", err)
	}
	if _, err := w.Get(t.Context(), ID{schema.GroupVersionKind{Group: "x", Version: "v1", Kind: "Y"}, "ns", "app"}); !errors.Is(err, model.ErrTargetNotScalable) {
		t.Errorf("an unknown kind: %v", err)
	}
}

// TestOtherKinds: the scale is read once per version of the object.
func TestOtherKinds(t *testing.T) {
	w := newWorld(t)
	id := app(rolloutKind)
	at := func(version string) {
		m := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app", ResourceVersion: version}}
		m.SetGroupVersionKind(rolloutKind)
		w.caches.objects[id] = m
	}
	reads, scale := 0, &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "1"}, Spec: autoscalingv1.ScaleSpec{Replicas: 4}}
	var answer error
	w.scales.AddReactor("get", "rollouts", func(clienttesting.Action) (bool, runtime.Object, error) {
		reads++
		return true, scale, answer
	})
	at("1")
	for range 3 {
		if n := w.replicas(t, id); n != 4 {
			t.Fatalf("%d replicas", n)
		}
	}
	if reads != 1 {
		t.Errorf("read %d times; expected once", reads)
	}
	at("2")
	scale.ResourceVersion, scale.Spec.Replicas = "2", 6
	if n := w.replicas(t, id); n != 6 || reads != 2 {
		t.Errorf("%d replicas after %d reads of a new version", n, reads)
	}
	at("3")
	answer = apierrors.NewNotFound(schema.GroupResource{}, "app")
	if _, err := w.Get(t.Context(), id); !errors.Is(err, ErrNoScale) {
		t.Errorf("without a scale subresource: %v", err)
	}
	answer = apierrors.NewForbidden(schema.GroupResource{}, "app", errors.New("no"))
	if _, err := w.Get(t.Context(), id); !apierrors.IsForbidden(err) {
		t.Errorf("denied: %v", err)
	}
}

// TestWrote: our own write counts until the watch shows it or a later version,
// and not for ever.
func TestWrote(t *testing.T) {
	id := app(deploymentKind)
	tests := map[string]struct {
		shown   *appsv1.Deployment
		elapsed time.Duration
		want    int32
	}{
		"the watch is behind":          {deployment(count(1), "9"), time.Second, 5},
		"the watch shows it":           {deployment(count(5), "10"), time.Second, 5},
		"somebody else wrote later":    {deployment(count(2), "11"), time.Second, 2},
		"the watch is behind for long": {deployment(count(1), "9"), writeTrust + time.Second, 1},
		"a version that is no number":  {deployment(count(1), "x"), time.Second, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.caches.objects[id] = tt.shown
			w.Wrote(id, 5, "10")
			w.now = w.now.Add(tt.elapsed)
			if n := w.replicas(t, id); n != tt.want {
				t.Errorf("%d replicas, expected %d", n, tt.want)
			}
		})
	}
}

func TestNotify(t *testing.T) {
	w := newWorld(t)
	w.caches.objects[app(deploymentKind)] = deployment(count(3), "7")
	w.replicas(t, app(deploymentKind))
	w.replicas(t, app(deploymentKind))
	informer := w.caches.InformersByGVK[deploymentKind].(*controllertest.FakeInformer)
	busy := deployment(count(3), "8")
	edited := deployment(count(3), "9")
	edited.Generation = 2
	for _, tt := range []struct {
		name   string
		change func()
		want   int
	}{
		{"added", func() { informer.Add(deployment(count(3), "7")) }, 1},
		{"its status changed", func() { informer.Update(deployment(count(3), "7"), busy) }, 0},
		{"its count changed", func() { informer.Update(busy, deployment(count(4), "9")) }, 1},
		{"its spec changed", func() { informer.Update(busy, edited) }, 1},
		{"deleted", func() { informer.Delete(edited) }, 1},
	} {
		w.notified = nil
		tt.change()
		if len(w.notified) != tt.want || tt.want > 0 && w.notified[0] != app(deploymentKind) {
			t.Errorf("%s: notified %v; expected %d", tt.name, w.notified, tt.want)
		}
	}
}

// TestDeniedKind: a kind that can't be listed is an error, and the next caller
// does not wait for it.
func TestDeniedKind(t *testing.T) {
	w := newWorld(t)
	unsynced := controllertest.NewFakeInformer()
	w.caches.InformersByGVK = map[schema.GroupVersionKind]toolscache.SharedIndexInformer{rolloutKind: unsynced}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // waiting is over at once
	for range 2 {
		_, err := w.Get(ctx, app(rolloutKind))
		if err == nil || !strings.Contains(err.Error(), "needs get, list and watch") {
			t.Fatalf("error %v", err)
		}
		ctx = t.Context() // would wait, were the failure forgotten
	}
	if w.watched[rolloutKind].failedAt != t0 {
		t.Errorf("failed at %v", w.watched[rolloutKind].failedAt)
	}
}

func TestIDOf(t *testing.T) {
	id, err := IDOf("ns", model.Target{APIVersion: "apps/v1", Kind: "Deployment", Name: "app"})
	if err != nil || id != app(deploymentKind) {
		t.Errorf("%v, %v", id, err)
	}
	if _, err := IDOf("ns", model.Target{APIVersion: "a/b/c"}); err == nil {
		t.Error("expected an error for a malformed apiVersion")
	}
}
