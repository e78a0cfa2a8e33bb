package controller

import (
	"context"
	"log/slog"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	scalefake "k8s.io/client-go/scale/fake"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache/informertest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/act"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/poll"
	"github.com/kedago/keda/internal/scaling"
	"github.com/kedago/keda/internal/store"
	"github.com/kedago/keda/internal/targets"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// lists is the usual trigger type of these tests.
type lists struct {
	name     string
	length   float64
	password param.Hidden
}

func (c *lists) Params() param.Set {
	return param.Set{
		param.Text("queueName", &c.name).Required(), param.Float("queueLength", &c.length).Default(5).Target(),
		param.Secret("password", &c.password),
	}
}
func (c *lists) Metric() string                                          { return "queue-" + c.name }
func (c *lists) Open(context.Context, scaler.Env) (scaler.Source, error) { return nil, nil }

// resolver gives every trigger with an authenticationRef the same credentials.
type resolver struct {
	creds    model.Credentials
	problems param.Problems
}

func (r *resolver) Resolve(_ context.Context, w *model.Workload, trigger int) (model.Credentials, param.Problems) {
	if w.Triggers[trigger].Auth == nil {
		return model.Credentials{}, nil
	}
	return r.creds, r.problems
}

type poller struct{ set map[model.Key][]poll.Trigger }

func (p *poller) Set(_ context.Context, k model.Key, t []poll.Trigger) { p.set[k] = t }
func (p *poller) Remove(k model.Key)                                   { delete(p.set, k) }

type loop struct {
	set    map[model.Key]scaling.Subject
	status map[model.Key]model.Status
}

func (l *loop) Set(s scaling.Subject) { l.set[s.Workload.Key] = s }
func (l *loop) Remove(k model.Key)    { delete(l.set, k) }
func (l *loop) Notify(model.Key)      {}
func (l *loop) Status(k model.Key) (model.Status, bool) {
	s, ok := l.status[k]
	return s, ok
}

// tracker knows the counts of targets by name.
type tracker map[string]int32

func (t tracker) Get(_ context.Context, id targets.ID) (targets.Scale, error) {
	n, ok := t[id.Name]
	if !ok {
		return targets.Scale{}, targets.ErrNotFound
	}
	return targets.Scale{Replicas: n, GVKR: model.GVKR{Group: "apps", Version: "v1", Kind: "Deployment", Resource: "deployments"}}, nil
}

// writer is the real actor, but for scale subresources, which the fake client
// does not have for patches.
type writer struct {
	*act.Actor
	scaled map[string]int32
}

func (w writer) Scale(_ context.Context, _ schema.GroupVersionResource, _, name string, n int32) (string, error) {
	w.scaled[name] = n
	return "1", nil
}

// caches gives informers of metadata too, which the fake ones lack.
type caches struct{ *informertest.FakeInformers }

func (c caches) GetInformer(ctx context.Context, obj client.Object, opts ...cache.InformerGetOption) (cache.Informer, error) {
	if m, ok := obj.(*metav1.PartialObjectMetadata); ok {
		return c.GetInformerForKind(ctx, m.GroupVersionKind(), opts...)
	}
	return c.FakeInformers.GetInformer(ctx, obj, opts...)
}

// world is a set of reconcilers on a fake cluster.
type world struct {
	*Set
	client   client.Client
	resolver *resolver
	poller   *poller
	loop     *loop
	targets  tracker
	scaled   map[string]int32
	events   *events.FakeRecorder
	caches   *informertest.FakeInformers
	store    *store.Store
}

func newScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, firstv1.AddToScheme, kedav1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func newWorld(t *testing.T, objects ...client.Object) *world {
	t.Helper()
	catalog, err := scaler.NewCatalog(
		scaler.Kind{Name: "queue", New: func() scaler.Config { return &lists{} }},
		scaler.Kind{Name: "stated", New: func() scaler.Config { return &stated{} }},
	)
	if err != nil {
		t.Fatal(err)
	}
	s := newScheme(t)
	c := fake.NewClientBuilder().WithScheme(s).WithObjects(objects...).
		WithStatusSubresource(&kedav1.ScaledObject{}, &firstv1.ScaledObject{}, &kedav1.TriggerAuthentication{}).Build()
	w := &world{
		client: c, resolver: &resolver{}, poller: &poller{map[model.Key][]poll.Trigger{}},
		loop:    &loop{map[model.Key]scaling.Subject{}, map[model.Key]model.Status{}},
		targets: tracker{"app": 1}, scaled: map[string]int32{}, events: events.NewFakeRecorder(100),
		caches: &informertest.FakeInformers{Scheme: s}, store: store.New(),
	}
	w.Set = NewSet(&Options{
		Client: c, Catalog: catalog, Resolver: w.resolver, Poller: w.poller, Loop: w.loop, Targets: w.targets, Store: w.store,
		Writer: writer{act.New(c, c, &scalefake.FakeScaleClient{}, w.events), w.scaled},
		Env:    func(*model.Workload, int, model.Credentials) scaler.Env { return scaler.Env{} },
		Log:    slog.New(slog.DiscardHandler), Version: "v0",
	})
	w.watch.cache = caches{w.caches}
	return w
}

// reconcile reconciles an object of a group.
func (w *world) reconcile(t *testing.T, group model.Group, name string) ctrl.Result {
	t.Helper()
	r := w.reconcilers[kindKey{group, model.KindScaledObject}]
	req := ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "ns", Name: name}}
	result, err := r.Reconcile(t.Context(), req)
	if err != nil {
		t.Fatalf("reconciling %s: %v", name, err)
	}
	return result
}

// queued empties the queues and returns the names in them.
func (w *world) queued() []string {
	var out []string
	for _, q := range w.queues {
		for len(q) > 0 {
			out = append(out, (<-q).Object.GetName())
		}
	}
	return out
}

func (w *world) get(t *testing.T, obj client.Object, name string) {
	t.Helper()
	if err := w.client.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: name}, obj); err != nil {
		t.Fatal(err)
	}
}

func (w *world) hpas(t *testing.T) []string {
	t.Helper()
	var list autoscalingv2.HorizontalPodAutoscalerList
	if err := w.client.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, h := range list.Items {
		out = append(out, h.Name)
	}
	return out
}

func key(group model.Group, name string) model.Key {
	return model.Key{Group: group, Kind: model.KindScaledObject, Namespace: "ns", Name: name}
}

// object is a ScaledObject of keda.sh on Deployment app, made at a minute.
func object(name string, minute int, change ...func(*kedav1.ScaledObject)) *kedav1.ScaledObject {
	o := &kedav1.ScaledObject{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ns", Name: name, UID: types.UID("uid-" + name), Generation: 1,
			CreationTimestamp: metav1.NewTime(time.Date(2030, 1, 1, 0, minute, 0, 0, time.UTC)),
		},
		Spec: kedav1.ScaledObjectSpec{
			ScaleTargetRef: &kedav1.ScaleTarget{Name: "app"},
			Triggers:       []kedav1.ScaleTriggers{{Type: "queue", Metadata: map[string]string{"queueName": "jobs"}}},
		},
	}
	for _, c := range change {
		c(o)
	}
	return o
}
