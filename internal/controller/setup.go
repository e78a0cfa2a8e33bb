package controller

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlcontroller "sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/targets"
)

// Set is the reconcilers of all kinds with what they share.
type Set struct {
	index       *index
	reconcilers map[kindKey]*reconciler
	queues      map[kindKey]chan event.GenericEvent
	watch       *referenceWatch
	auths       []*authReconciler
	// eventSources is empty without an emitter.
	eventSources []*eventSourceReconciler
	census       census
}

type kindKey struct {
	group model.Group
	name  string
}

func keyOf(k model.Key) kindKey { return kindKey{k.Group, k.Kind} }

// NewSet makes the reconcilers. The options' Loop and Poller may still be unset.
func NewSet(o *Options) *Set {
	s := &Set{index: newIndex(), reconcilers: map[kindKey]*reconciler{}, queues: map[kindKey]chan event.GenericEvent{}}
	s.watch = &referenceWatch{changed: s.ReferenceChanged, started: map[string]bool{}, unwatched: o.Unwatched}
	for _, k := range Kinds() {
		key := kindKey{k.Group, k.Name}
		s.queues[key] = make(chan event.GenericEvent, queueLength)
		s.reconcilers[key] = &reconciler{Options: o, kind: k, index: s.index, again: s.Again, watch: s.watch, census: &s.census}
	}
	for _, k := range authKinds() {
		s.auths = append(s.auths, &authReconciler{
			Options: o, kind: k, index: s.index, census: &s.census, now: time.Now,
			queue: make(chan event.GenericEvent, queueLength), seen: map[client.ObjectKey]seenAuth{},
		})
	}
	if o.Emitter != nil {
		for _, k := range eventSourceKinds() {
			q := make(chan event.GenericEvent, queueLength)
			s.queues[kindKey{model.GroupEventing, k.name}] = q
			s.eventSources = append(s.eventSources, &eventSourceReconciler{
				Options: o, kind: k, index: s.index, watch: s.watch, census: &s.census, again: s.Again, queue: q, now: time.Now,
			})
		}
	}
	o.Store.OnTarget(s.Again)
	return s
}

// queueLength lets informers' goroutines go on while a queue is being drained.
const queueLength = 1024

// Register adds the controllers to the manager. objects and jobs are how many
// ScaledObjects of a group, and ScaledJobs, are reconciled at once.
func (s *Set) Register(mgr ctrl.Manager, objects, jobs int) error {
	s.watch.cache = mgr.GetCache()
	s.index.onUse = s.used
	for _, a := range s.auths {
		if err := a.register(mgr); err != nil {
			return err
		}
	}
	for _, k := range Kinds() {
		key := kindKey{k.Group, k.Name}
		concurrency := objects
		if k.Name == model.KindScaledJob {
			concurrency = jobs
		}
		err := ctrl.NewControllerManagedBy(mgr).
			Named(string(k.Group) + "/" + k.Name).
			For(k.New()).
			Owns(&autoscalingv2.HorizontalPodAutoscaler{}).
			WatchesRawSource(source.Channel(s.queues[key], &handler.EnqueueRequestForObject{})).
			WithOptions(ctrlcontroller.Options{MaxConcurrentReconciles: concurrency}).
			Complete(s.reconcilers[key])
		if err != nil {
			return fmt.Errorf("registering the controller of %s %s: %w", k.Group, k.Name, err)
		}
	}
	return s.registerEventSources(mgr)
}

// used tells the controller of an auth object that its users have changed.
func (s *Set) used(r model.Reference) {
	for _, a := range s.auths {
		if a.kind.status != nil && a.kind.name == r.Kind {
			a.used(r)
		}
	}
}

// Again queues a workload.
func (s *Set) Again(key model.Key) {
	q := s.queues[keyOf(key)]
	if q == nil {
		return
	}
	obj := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	q <- event.GenericEvent{Object: obj}
}

// ReferenceChanged queues the users of an object.
func (s *Set) ReferenceChanged(r model.Reference) {
	for _, k := range s.index.usersOf(r) {
		s.Again(k)
	}
}

// Used says whether a workload uses a reference.
func (s *Set) Used(r model.Reference) bool { return len(s.index.usersOf(r)) > 0 }

// Uses lists what a workload uses.
func (s *Set) Uses(key model.Key) []model.Reference { return s.index.usesOf(key) }

// TargetChanged queues the workloads that scale a target.
func (s *Set) TargetChanged(id targets.ID, notify func(model.Key)) {
	for _, k := range s.index.usersOfTarget(id) {
		notify(k)
		s.Again(k)
	}
}

// WriteStatus implements the scaling loop's writer.
func (s *Set) WriteStatus(ctx context.Context, key model.Key, before, after model.Status, events []decide.Event) error {
	r := s.reconcilers[keyOf(key)]
	if r == nil {
		return fmt.Errorf("writing the status of %s: the kind is unknown", key)
	}
	return r.writeStatus(ctx, key, before, after, events)
}

// referenceWatch watches the metadata of Secrets, ConfigMaps and auth objects,
// each kind from its first use on.
type referenceWatch struct {
	cache     cache.Cache
	changed   func(model.Reference)
	unwatched []string // kinds that are read by name only

	mu      sync.Mutex
	started map[string]bool
}

// start watches the kind of a reference.
func (w *referenceWatch) start(ctx context.Context, r model.Reference) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.started[r.Kind] || slices.Contains(w.unwatched, r.Kind) {
		return nil
	}
	kinds, ok := referenceKinds[r.Kind]
	if !ok {
		return nil // targets have a watch of their own
	}
	for _, obj := range kinds() {
		// Nobody waits for the first list: what it brings is told as a change.
		informer, err := w.cache.GetInformer(ctx, obj, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watching %s: %w", r.Kind, err)
		}
		if _, err = informer.AddEventHandler(w.handler(r.Kind)); err != nil {
			return fmt.Errorf("watching %s: %w", r.Kind, err)
		}
	}
	w.started[r.Kind] = true
	return nil
}

func (w *referenceWatch) handler(kind string) toolscache.ResourceEventHandler {
	tell := func(obj any) {
		if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		if o, ok := obj.(client.Object); ok {
			w.changed(model.Reference{Kind: kind, Namespace: o.GetNamespace(), Name: o.GetName()})
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: tell,
		UpdateFunc: func(before, after any) {
			b, _ := before.(client.Object)
			a, ok := after.(client.Object)
			if ok && b != nil && a.GetResourceVersion() == b.GetResourceVersion() {
				return // a resync
			}
			tell(after)
		},
		DeleteFunc: tell,
	}
}
