package controller

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	scalefake "k8s.io/client-go/scale/fake"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	eventingv1 "github.com/kedago/keda/api/eventing.keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/act"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/store"
	"github.com/kedago/keda/pkg/scaler/param"
)

// emitter notes what it is given.
type emitter struct {
	set    map[model.Key]model.Credentials
	held   map[model.Key]string
	setErr error
	// failing is what State says of sources that are set.
	failing string
}

func (e *emitter) Set(src *model.EventSource, creds model.Credentials) error {
	delete(e.held, src.Key)
	if e.setErr != nil {
		e.held[src.Key] = e.setErr.Error()
		return e.setErr
	}
	e.set[src.Key] = creds
	return nil
}

func (e *emitter) Hold(src *model.EventSource, why string) {
	delete(e.set, src.Key)
	e.held[src.Key] = why
}

func (e *emitter) Remove(key model.Key) {
	delete(e.set, key)
	delete(e.held, key)
}

func (e *emitter) State(key model.Key) (bool, string, bool) {
	if why, ok := e.held[key]; ok {
		return false, why, true
	}
	_, ok := e.set[key]
	return e.failing == "", e.failing, ok
}

// ResolveSource gives every source the same credentials, too.
func (r *resolver) ResolveSource(context.Context, *model.EventSource) (model.Credentials, param.Problems) {
	return r.creds, r.problems
}

// sourceWorld is the reconcilers of event sources on a fake cluster.
type sourceWorld struct {
	*Set
	client   client.Client
	emitter  *emitter
	resolver *resolver
	patches  int
}

func newSourceWorld(t *testing.T, objects ...client.Object) *sourceWorld {
	t.Helper()
	s := newScheme(t)
	if err := eventingv1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	w := &sourceWorld{emitter: &emitter{set: map[model.Key]model.Credentials{}, held: map[model.Key]string{}}, resolver: &resolver{}}
	w.client = fake.NewClientBuilder().WithScheme(s).WithObjects(objects...).
		WithStatusSubresource(&eventingv1.CloudEventSource{}, &eventingv1.ClusterCloudEventSource{}).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, p client.Patch, o ...client.SubResourcePatchOption) error {
				w.patches++
				return c.SubResource(sub).Patch(ctx, obj, p, o...)
			},
		}).Build()
	w.Set = NewSet(&Options{
		Client: w.client, Resolver: w.resolver, Store: store.New(), Emitter: w.emitter, Log: slog.New(slog.DiscardHandler),
		Writer: writer{act.New(w.client, w.client, &scalefake.FakeScaleClient{}, events.NewFakeRecorder(10)), nil},
	})
	w.watch.cache = caches{&informertest.FakeInformers{Scheme: s}}
	for _, r := range w.eventSources {
		r.now = func() time.Time { return dawn }
	}
	return w
}

func (w *sourceWorld) reconcile(t *testing.T, kind, namespace string) {
	t.Helper()
	for _, r := range w.eventSources {
		if r.kind.name != kind {
			continue
		}
		if _, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: namespace, Name: "audit"}}); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatalf("there is no reconciler of %s", kind)
}

func eventSource(change ...func(*eventingv1.CloudEventSource)) *eventingv1.CloudEventSource {
	o := &eventingv1.CloudEventSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "audit", Generation: 2},
		Spec:       eventingv1.CloudEventSourceSpec{Destination: eventingv1.Destination{HTTP: &eventingv1.CloudEventHTTP{URI: "http://sink/"}}},
	}
	for _, c := range change {
		c(o)
	}
	return o
}

func toGrid(o *eventingv1.CloudEventSource) {
	o.Spec.Destination = eventingv1.Destination{AzureEventGridTopic: &eventingv1.AzureEventGridTopicSpec{Endpoint: "https://topic.eventgrid.azure.net/api/events"}}
	o.Spec.AuthenticationRef = &eventingv1.AuthenticationRef{Name: "creds"}
}

func sourceKey(kind, namespace string) model.Key {
	return model.Key{Group: model.GroupEventing, Kind: kind, Namespace: namespace, Name: "audit"}
}

func TestEventSourceStatus(t *testing.T) {
	tests := map[string]struct {
		change func(*eventingv1.CloudEventSource)
		world  func(*sourceWorld)
		status metav1.ConditionStatus
		reason string
		// message is a part of it.
		message string
	}{
		"works":                 {status: "True", reason: "CloudEventSourceActive", message: "events are sent"},
		"sink away":             {world: func(w *sourceWorld) { w.emitter.failing = "connection refused" }, status: "False", reason: "CloudEventSourceFailed", message: "connection refused"},
		"sink can't be made":    {world: func(w *sourceWorld) { w.emitter.setErr = errors.New("no key") }, status: "False", reason: "CloudEventSourceFailed", message: "no key"},
		"wrong":                 {change: func(o *eventingv1.CloudEventSource) { o.Spec.Destination.HTTP = nil }, status: "False", reason: "CloudEventSourceFailed", message: "spec.destination"},
		"credentials missing":   {change: toGrid, world: func(w *sourceWorld) { w.resolver.problems.Errorf("spec.authenticationRef", "gone") }, status: "False", reason: "CloudEventSourceFailed", message: "spec.authenticationRef"},
		"credentials of no use": {change: toGrid, status: "False", reason: "CloudEventSourceFailed", message: "gives neither the parameter accessKey"},
		"a long story":          {world: func(w *sourceWorld) { w.emitter.failing = strings.Repeat("ü", 2000) }, status: "False", reason: "CloudEventSourceFailed", message: "ü…"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := eventSource()
			if tt.change != nil {
				tt.change(o)
			}
			w := newSourceWorld(t, o)
			if tt.world != nil {
				tt.world(w)
			}
			w.reconcile(t, "CloudEventSource", "ns")
			var got eventingv1.CloudEventSource
			if err := w.client.Get(t.Context(), client.ObjectKeyFromObject(o), &got); err != nil {
				t.Fatal(err)
			}
			if got.Status.ObservedGeneration != 2 || len(got.Status.Conditions) != 1 {
				t.Fatalf("status: got %+v, want one condition of generation 2", got.Status)
			}
			c := got.Status.Conditions[0]
			if c.Type != "Active" || c.Status != tt.status || c.Reason != tt.reason || !strings.Contains(c.Message, tt.message) || len(c.Message) > 1024 {
				t.Errorf("condition: got %+v, want %s %s with %q", c, tt.status, tt.reason, tt.message)
			}
			w.reconcile(t, "CloudEventSource", "ns")
			if w.patches != 1 {
				t.Errorf("wrote the status %d times, want once", w.patches)
			}
		})
	}
}

// TestEventSourceRecovers: the time of the condition is that of its last change.
func TestEventSourceRecovers(t *testing.T) {
	w := newSourceWorld(t, eventSource())
	var got []string
	for minute, failing := range []string{"", "refused", "time-out", ""} {
		w.emitter.failing = failing
		w.eventSources[0].now = func() time.Time { return dawn.Add(time.Duration(minute) * time.Minute) }
		w.reconcile(t, "CloudEventSource", "ns")
		var o eventingv1.CloudEventSource
		if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: "audit"}, &o); err != nil {
			t.Fatal(err)
		}
		c := o.Status.Conditions[0]
		got = append(got, string(c.Status)+" "+c.LastTransitionTime.UTC().Format("15:04")+" "+c.Message)
	}
	want := []string{"True 00:00 " + messageSourceActive, "False 00:01 refused", "False 00:01 time-out", "True 00:03 " + messageSourceActive}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestEventSourceCredentials: they are handed on, and a change of what they
// come from queues the source.
func TestEventSourceCredentials(t *testing.T) {
	ref := model.Reference{Kind: "Secret", Namespace: "ns", Name: "s"}
	w := newSourceWorld(t, eventSource(toGrid))
	w.resolver.creds = model.Credentials{Values: map[string]string{"accessKey": "k"}, Digest: "d", Used: []model.Reference{ref}}
	key := sourceKey("CloudEventSource", "ns")
	w.reconcile(t, "CloudEventSource", "ns")
	if diff := cmp.Diff(w.resolver.creds, w.emitter.set[key]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	queued := func() int { return len(w.queues[kindKey{model.GroupEventing, "CloudEventSource"}]) }
	before := queued()
	w.ReferenceChanged(ref)
	if got := queued() - before; got != 1 {
		t.Errorf("queued %d times, want once", got)
	}
	w.resolver.problems = param.Problems{}
	w.resolver.problems.Errorf("spec.authenticationRef", "no such Secret")
	w.reconcile(t, "CloudEventSource", "ns")
	if _, set := w.emitter.set[key]; set || !w.Used(ref) {
		t.Error("the source still sends, or the Secret is not watched any more")
	}
}

func TestEventSourceGoes(t *testing.T) {
	for name, finalizers := range map[string][]string{"without a finalizer": nil, "with KEDA's finalizer": {eventingv1.Finalizer}} {
		t.Run(name, func(t *testing.T) {
			o := eventSource(toGrid, func(o *eventingv1.CloudEventSource) { o.Finalizers = finalizers })
			w := newSourceWorld(t, o)
			w.resolver.creds.Values = map[string]string{"accessKey": "k"}
			w.resolver.creds.Used = []model.Reference{{Kind: "Secret", Namespace: "ns", Name: "s"}}
			w.reconcile(t, "CloudEventSource", "ns")
			if _, ok := w.emitter.set[sourceKey("CloudEventSource", "ns")]; !ok {
				t.Fatal("the source was never set")
			}
			if err := w.client.Delete(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			w.reconcile(t, "CloudEventSource", "ns")
			if len(w.emitter.set) > 0 || w.Used(w.resolver.creds.Used[0]) {
				t.Error("the source is still there")
			}
			err := w.client.Get(t.Context(), client.ObjectKeyFromObject(o), o)
			if client.IgnoreNotFound(err) != nil || err == nil {
				t.Errorf("the object is not gone: %v", err)
			}
			n := 0
			w.Resources(func(string, string, int) { n++ })
			if n > 0 {
				t.Error("the source is still counted")
			}
		})
	}
}

func TestClusterEventSource(t *testing.T) {
	o := &eventingv1.ClusterCloudEventSource{ObjectMeta: metav1.ObjectMeta{Name: "audit"}, Spec: eventSource().Spec}
	w := newSourceWorld(t, o)
	w.reconcile(t, "ClusterCloudEventSource", "")
	if _, ok := w.emitter.set[sourceKey("ClusterCloudEventSource", "")]; !ok {
		t.Error("the source is not set")
	}
	var got []string
	w.Resources(func(resource, namespace string, n int) {
		got = append(got, resource+" "+namespace)
		if n != 1 {
			t.Errorf("counted %d, want 1", n)
		}
	})
	if want := []string{"cloudevent_source "}; !slices.Equal(got, want) {
		t.Errorf("resources: got %q, want %q", got, want)
	}
}
