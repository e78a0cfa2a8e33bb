package act

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientfake "k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	scalefake "k8s.io/client-go/scale/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// cluster is an actor on a fake API server, with the writes that it made.
type cluster struct {
	*Actor
	client client.Client
	writes []string
	events *events.FakeRecorder
	scales *scalefake.FakeScaleClient
}

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	c := &cluster{events: events.NewFakeRecorder(10), scales: &scalefake.FakeScaleClient{}}
	wrote := func(what string) { c.writes = append(c.writes, what) }
	c.client = fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, w client.WithWatch, obj client.Object, p client.Patch, o ...client.PatchOption) error {
			wrote("patch")
			return w.Patch(ctx, obj, p, o...)
		},
		Update: func(ctx context.Context, w client.WithWatch, obj client.Object, o ...client.UpdateOption) error {
			wrote("update")
			return w.Update(ctx, obj, o...)
		},
		Delete: func(ctx context.Context, w client.WithWatch, obj client.Object, o ...client.DeleteOption) error {
			wrote("delete")
			return w.Delete(ctx, obj, o...)
		},
	}).Build()
	c.Actor = New(c.client, c.client, c.scales, c.events)
	return c
}

// owner is a ConfigMap in the place of a ScaledObject.
func owner(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID("uid-" + name)}}
}

func hpa(of *corev1.ConfigMap, change ...func(*autoscalingv2.HorizontalPodAutoscaler)) *autoscalingv2.HorizontalPodAutoscaler {
	yes := true
	h := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "keda-hpa-so", Labels: map[string]string{"app": "a"}},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "app"}, MaxReplicas: 10,
		},
	}
	if of != nil {
		h.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: of.Name, UID: of.UID, Controller: &yes}}
	}
	for _, c := range change {
		c(h)
	}
	return h
}

func window(n int32) func(*autoscalingv2.HorizontalPodAutoscaler) {
	return func(h *autoscalingv2.HorizontalPodAutoscaler) {
		h.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &n}}
	}
}

func TestApplyHPA(t *testing.T) {
	mine, theirs := owner("mine"), owner("theirs")
	most := func(n int32) func(*autoscalingv2.HorizontalPodAutoscaler) {
		return func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MaxReplicas = n }
	}
	defaulted := func(h *autoscalingv2.HorizontalPodAutoscaler) { one := int32(1); h.Spec.MinReplicas = &one }
	labelled := func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Labels["theirs"] = "b" }
	tests := map[string]struct {
		have, want *autoscalingv2.HorizontalPodAutoscaler
		takeOver   bool
		writes     []string
		foreign    bool
	}{
		"none yet":                      {nil, hpa(mine), false, []string{"patch"}, false},
		"as it should be":               {hpa(mine), hpa(mine), false, nil, false},
		"with what the server fills in": {hpa(mine, defaulted), hpa(mine), false, nil, false},
		"with a label of others":        {hpa(mine, labelled), hpa(mine), false, nil, false},
		"another maximum":               {hpa(mine, most(5)), hpa(mine), false, []string{"patch"}, false},
		"a new behavior":                {hpa(mine), hpa(mine, window(3)), false, []string{"patch"}, false},
		"a behavior no more":            {hpa(mine, window(3)), hpa(mine), false, []string{"update", "patch"}, false},
		"somebody else's":               {hpa(theirs), hpa(mine), false, nil, true},
		"nobody's":                      {hpa(nil), hpa(mine), false, nil, true},
		"nobody's, taken over":          {hpa(nil, most(5)), hpa(mine), true, []string{"patch"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var objects []client.Object
			if tt.have != nil {
				objects = append(objects, tt.have)
			}
			c := newCluster(t, objects...)
			wrote, err := c.ApplyHPA(t.Context(), tt.want, tt.takeOver)
			var foreign *ForeignHPAError
			if errors.As(err, &foreign) != tt.foreign || !tt.foreign && err != nil {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tt.writes, c.writes); diff != "" || wrote != (len(tt.writes) > 0) {
				t.Errorf("said %v, writes: %s", wrote, diff)
			}
			if tt.foreign {
				return
			}
			var got autoscalingv2.HorizontalPodAutoscaler
			if err := c.client.Get(t.Context(), client.ObjectKeyFromObject(tt.want), &got); err != nil {
				t.Fatal(err)
			}
			if got.Spec.MaxReplicas != 10 || !metav1.IsControlledBy(&got, mine) || (got.Spec.Behavior == nil) != (tt.want.Spec.Behavior == nil) {
				t.Errorf("HPA %+v of %v", got.Spec, got.OwnerReferences)
			}
		})
	}
}

// TestUncachedForeignHPA: the cache shows our HPAs only, so the server is asked
// before one is made.
func TestUncachedForeignHPA(t *testing.T) {
	live := newCluster(t, hpa(owner("theirs")))
	cached := newCluster(t)
	a := New(cached.client, live.client, cached.scales, cached.events)
	var foreign *ForeignHPAError
	if _, err := a.ApplyHPA(t.Context(), hpa(owner("mine")), false); !errors.As(err, &foreign) || !strings.Contains(err.Error(), "ConfigMap theirs") {
		t.Errorf("error %v", err)
	}
	if len(cached.writes) > 0 {
		t.Errorf("writes %v", cached.writes)
	}
}

func TestDeleteHPA(t *testing.T) {
	for name, tt := range map[string]struct {
		have   client.Object
		writes []string
	}{
		"ours":            {hpa(owner("mine")), []string{"delete"}},
		"somebody else's": {hpa(owner("theirs")), nil},
		"none":            {owner("other"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, tt.have)
			was, err := c.DeleteHPA(t.Context(), "ns", "keda-hpa-so", owner("mine"))
			if err != nil || was != (len(tt.writes) > 0) {
				t.Errorf("said %v, %v", was, err)
			}
			if diff := cmp.Diff(tt.writes, c.writes); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestScale(t *testing.T) {
	c := newCluster(t)
	var got clienttesting.PatchAction
	var answer error
	c.scales.AddReactor("patch", "deployments", func(a clienttesting.Action) (bool, runtime.Object, error) {
		got = a.(clienttesting.PatchAction)
		return true, &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "42"}}, answer
	})
	gvr := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	version, err := c.Scale(t.Context(), gvr, "ns", "app", 3)
	if err != nil || version != "42" {
		t.Errorf("%q, %v", version, err)
	}
	if got.GetSubresource() != "scale" || got.GetName() != "app" || got.GetNamespace() != "ns" || string(got.GetPatch()) != `{"spec":{"replicas":3}}` {
		t.Errorf("patch %s of %s/%s %s", got.GetPatch(), got.GetNamespace(), got.GetName(), got.GetSubresource())
	}
	answer = apierrors.NewForbidden(gvr.GroupResource(), "app", errors.New("no"))
	if _, err := c.Scale(t.Context(), gvr, "ns", "app", 3); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "deployments ns/app") {
		t.Errorf("error %v", err)
	}
}

// TestPatchMeta: only what changed is written, and not over somebody else's change.
func TestPatchMeta(t *testing.T) {
	c := newCluster(t, owner("a"))
	var before corev1.ConfigMap
	if err := c.client.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: "a"}, &before); err != nil {
		t.Fatal(err)
	}
	after := before.DeepCopy()
	after.Labels = map[string]string{"x": "y"}
	if err := c.PatchMeta(t.Context(), before.DeepCopy(), after); err != nil {
		t.Fatal(err)
	}
	stale := before.DeepCopy()
	stale.Finalizers = []string{"finalizer.keda.sh"}
	if err := c.PatchMeta(t.Context(), &before, stale); !apierrors.IsConflict(err) {
		t.Errorf("over a newer version: %v; expected a conflict", err)
	}
}

// TestPatchStatusOfGone: an object that went meanwhile is no error.
func TestPatchStatusOfGone(t *testing.T) {
	c := newCluster(t)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "gone"}}
	after := pod.DeepCopy()
	after.Status.Message = "x"
	if err := c.PatchStatus(t.Context(), pod, after); err != nil {
		t.Error(err)
	}
}

func TestEvent(t *testing.T) {
	c := newCluster(t)
	c.Event(owner("a"), corev1.EventTypeWarning, "Failed", "100% of it")
	if e := <-c.events.Events; !strings.Contains(e, "Warning Failed") || !strings.Contains(e, "100% of it") {
		t.Errorf("event %q", e)
	}
}

// TestEventRepeated: an event that repeats for an object that has not changed
// is one event with a series, which takes a patch.
func TestEventRepeated(t *testing.T) {
	api := clientfake.NewSimpleClientset()
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: api.EventsV1()})
	if err := broadcaster.StartRecordingToSinkWithContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broadcaster.Shutdown)
	a := New(nil, nil, nil, broadcaster.NewRecorder(scheme.Scheme, "keda-operator"))
	about := owner("a")
	about.APIVersion, about.Kind = "v1", "ConfigMap"
	made := func(verb string) bool {
		return slices.ContainsFunc(api.Actions(), func(of clienttesting.Action) bool { return of.Matches(verb, "events") })
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, verb := range []string{"create", "patch"} {
		a.Event(about, corev1.EventTypeWarning, "Failed", "again")
		for !made(verb) {
			select {
			case <-ctx.Done():
				t.Fatalf("no %s was made", verb)
			case <-time.After(time.Millisecond):
			}
		}
	}
}
