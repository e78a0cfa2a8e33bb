// Package targets knows the replica counts of what is scaled, from watches:
// no decision asks the API server for a count that has not changed.
//
// Deployments and StatefulSets are read from stripped informers. Of any other
// kind with a scale subresource only metadata is watched, and its scale is
// read again when the object changed. It writes nothing.
package targets

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/scale"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/model"
)

// ErrNotFound says that the target does not exist (yet).
var ErrNotFound = model.ErrTargetNotFound

// ErrNoScale says that the target's kind has no scale subresource or is unknown.
var ErrNoScale = model.ErrTargetNotScalable

// Scale is what is known of a target.
type Scale struct {
	Replicas int32
	// Ready is the count of ready pods; of kinds that only /scale tells about,
	// the count of pods that exist.
	Ready int32
	GVKR  model.GVKR
	// Version is the target's resource version at which Replicas held.
	Version string
}

// ID names a target. It is comparable.
type ID struct {
	GVK       schema.GroupVersionKind
	Namespace string
	Name      string
}

// Tracker reads targets. See New.
type Tracker struct {
	cache  cache.Cache
	scales scale.ScalesGetter
	mapper meta.RESTMapper
	now    func() time.Time
	notify func(ID)

	mu      sync.Mutex
	watched map[schema.GroupVersionKind]*watched
	written map[ID]write
	other   map[ID]Scale // last read scales of kinds that only metadata is watched of
	// resources are those of kinds, once found: the mapper's own look-up makes
	// a lot of garbage for each decision.
	resources map[schema.GroupVersionKind]schema.GroupVersionResource
}

// watched is a kind that is watched.
type watched struct {
	informer cache.Informer
	// failedAt is when waiting for its first list was given up.
	failedAt time.Time
}

const (
	// listPatience is how long the first list of a kind is waited for.
	listPatience = 5 * time.Second
	// listRetry is how long nobody waits again after that: a kind that the
	// operator may not list must not hold up those that scale other kinds.
	listRetry = 30 * time.Second
)

// write is a count of ours that the watch has not shown yet.
type write struct {
	replicas int32
	version  string
	at       time.Time
}

// writeTrust is how long our own write is believed against an older watch.
const writeTrust = 10 * time.Second

// New returns a tracker. notify is called, from informers' goroutines, when a
// target has changed; it must not block.
func New(c cache.Cache, scales scale.ScalesGetter, mapper meta.RESTMapper, now func() time.Time, notify func(ID)) *Tracker {
	return &Tracker{
		cache: c, scales: scales, mapper: mapper, now: now, notify: notify,
		watched: map[schema.GroupVersionKind]*watched{}, written: map[ID]write{}, other: map[ID]Scale{},
		resources: map[schema.GroupVersionKind]schema.GroupVersionResource{},
	}
}

// IDOf names a workload's target.
func IDOf(namespace string, t model.Target) (ID, error) {
	gv, err := schema.ParseGroupVersion(t.APIVersion)
	if err != nil {
		return ID{}, fmt.Errorf("scaleTargetRef.apiVersion: found %q; expected group/version", t.APIVersion)
	}
	return ID{GVK: gv.WithKind(t.Kind), Namespace: namespace, Name: t.Name}, nil
}

// Resource finds the resource of a kind.
func (t *Tracker) Resource(gvk schema.GroupVersionKind) (schema.GroupVersionResource, error) {
	t.mu.Lock()
	known, ok := t.resources[gvk]
	t.mu.Unlock()
	if ok {
		return known, nil
	}
	m, err := t.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		return schema.GroupVersionResource{}, fmt.Errorf("%w: %s", ErrNoScale, gvk)
	}
	if err != nil {
		return schema.GroupVersionResource{}, fmt.Errorf("finding the resource of %s: %w", gvk, err)
	}
	t.mu.Lock()
	t.resources[gvk] = m.Resource
	t.mu.Unlock()
	return m.Resource, nil
}

// Get returns a target's replica count.
func (t *Tracker) Get(ctx context.Context, id ID) (Scale, error) {
	gvr, err := t.Resource(id.GVK)
	if err != nil {
		return Scale{}, err
	}
	if err := t.watch(ctx, id.GVK); err != nil {
		return Scale{}, err
	}
	s, err := t.read(ctx, id, gvr)
	if err != nil {
		return Scale{}, err
	}
	s.GVKR = model.GVKR{Group: id.GVK.Group, Version: id.GVK.Version, Kind: id.GVK.Kind, Resource: gvr.Resource}
	return t.overlay(id, s), nil
}

// Wrote tells that we have set a count; until a watch shows that version or a
// later one, the count is what Get returns.
func (t *Tracker) Wrote(id ID, replicas int32, version string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written[id] = write{replicas, version, t.now()}
}

func (t *Tracker) overlay(id ID, s Scale) Scale {
	t.mu.Lock()
	defer t.mu.Unlock()
	w, ok := t.written[id]
	if !ok {
		return s
	}
	if !olderThan(s.Version, w.version) || t.now().Sub(w.at) > writeTrust {
		delete(t.written, id)
		return s
	}
	s.Replicas = w.replicas
	return s
}

// olderThan compares resource versions, which are decimal numbers that grow
// (KEP-5504); anything else counts as not older.
func olderThan(a, b string) bool {
	x, errX := strconv.ParseUint(a, 10, 64)
	y, errY := strconv.ParseUint(b, 10, 64)
	return errX == nil && errY == nil && x < y
}

// read changes nothing in what it reads, so it needs no copy of it.
func (t *Tracker) read(ctx context.Context, id ID, gvr schema.GroupVersionResource) (Scale, error) {
	key := client.ObjectKey{Namespace: id.Namespace, Name: id.Name}
	switch id.GVK {
	case deploymentKind:
		var d appsv1.Deployment
		if err := t.cache.Get(ctx, key, &d, client.UnsafeDisableDeepCopy); err != nil {
			return Scale{}, notFound(err, id)
		}
		return Scale{Replicas: orOne(d.Spec.Replicas), Ready: d.Status.ReadyReplicas, Version: d.ResourceVersion}, nil
	case statefulSetKind:
		var s appsv1.StatefulSet
		if err := t.cache.Get(ctx, key, &s, client.UnsafeDisableDeepCopy); err != nil {
			return Scale{}, notFound(err, id)
		}
		return Scale{Replicas: orOne(s.Spec.Replicas), Ready: s.Status.ReadyReplicas, Version: s.ResourceVersion}, nil
	}
	return t.readOther(ctx, id, gvr, key)
}

// readOther reads the scale subresource unless the object is as it was.
func (t *Tracker) readOther(ctx context.Context, id ID, gvr schema.GroupVersionResource, key client.ObjectKey) (Scale, error) {
	m := &metav1.PartialObjectMetadata{}
	m.SetGroupVersionKind(id.GVK)
	if err := t.cache.Get(ctx, key, m); err != nil {
		return Scale{}, notFound(err, id)
	}
	t.mu.Lock()
	known, ok := t.other[id]
	t.mu.Unlock()
	if ok && known.Version == m.ResourceVersion {
		return known, nil
	}
	got, err := t.scales.Scales(id.Namespace).Get(ctx, gvr.GroupResource(), id.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Scale{}, fmt.Errorf("%w: %s %s/%s has no scale subresource", ErrNoScale, id.GVK.Kind, id.Namespace, id.Name)
	}
	if err != nil {
		return Scale{}, fmt.Errorf("reading the scale of %s %s/%s: %w", id.GVK.Kind, id.Namespace, id.Name, err)
	}
	s := Scale{Replicas: got.Spec.Replicas, Ready: got.Status.Replicas, Version: got.ResourceVersion}
	t.mu.Lock()
	t.other[id] = s
	t.mu.Unlock()
	return s, nil
}

var (
	deploymentKind  = appsv1.SchemeGroupVersion.WithKind("Deployment")
	statefulSetKind = appsv1.SchemeGroupVersion.WithKind("StatefulSet")
)

// watch makes sure that a kind is watched and has been listed.
func (t *Tracker) watch(ctx context.Context, gvk schema.GroupVersionKind) error {
	informer, failedAt, err := t.informer(ctx, gvk)
	if err != nil || informer.HasSynced() {
		return err
	}
	if failedAt.IsZero() || t.now().Sub(failedAt) > listRetry {
		ctx, cancel := context.WithTimeout(ctx, listPatience)
		defer cancel()
		if toolscache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			return nil
		}
		t.mu.Lock()
		t.watched[gvk].failedAt = t.now()
		t.mu.Unlock()
	}
	return fmt.Errorf("watching %s: the API server gives no list of them; the operator needs get, list and watch on them", gvk)
}

// informer starts the informer of a kind, once, with a handler that notifies.
func (t *Tracker) informer(ctx context.Context, gvk schema.GroupVersionKind) (informer cache.Informer, failedAt time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if w := t.watched[gvk]; w != nil {
		return w.informer, w.failedAt, nil
	}
	var obj client.Object
	switch gvk {
	case deploymentKind:
		obj = &appsv1.Deployment{}
	case statefulSetKind:
		obj = &appsv1.StatefulSet{}
	default:
		m := &metav1.PartialObjectMetadata{}
		m.SetGroupVersionKind(gvk)
		obj = m
	}
	// It does not wait, so the lock is not held over I/O.
	informer, err = t.cache.GetInformer(ctx, obj, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, failedAt, fmt.Errorf("watching %s: %w", gvk, err)
	}
	if _, err := informer.AddEventHandler(t.handler(gvk)); err != nil {
		return nil, failedAt, fmt.Errorf("watching %s: %w", gvk, err)
	}
	t.watched[gvk] = &watched{informer: informer}
	return informer, failedAt, nil
}

func (t *Tracker) handler(gvk schema.GroupVersionKind) toolscache.ResourceEventHandler {
	changed := func(obj any) {
		if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		if o, ok := obj.(metav1.Object); ok {
			t.notify(ID{GVK: gvk, Namespace: o.GetNamespace(), Name: o.GetName()})
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: changed,
		UpdateFunc: func(before, after any) {
			if countChanged(before, after) {
				changed(after)
			}
		},
		DeleteFunc: func(obj any) {
			changed(obj)
			t.forget(gvk, obj)
		},
	}
}

func (t *Tracker) forget(gvk schema.GroupVersionKind, obj any) {
	if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	if o, ok := obj.(metav1.Object); ok {
		id := ID{GVK: gvk, Namespace: o.GetNamespace(), Name: o.GetName()}
		t.mu.Lock()
		delete(t.other, id)
		delete(t.written, id)
		t.mu.Unlock()
	}
}

// countChanged keeps status updates of busy Deployments from waking anyone.
func countChanged(before, after any) bool {
	switch a := after.(type) {
	case *appsv1.Deployment:
		b, ok := before.(*appsv1.Deployment)
		return !ok || orOne(a.Spec.Replicas) != orOne(b.Spec.Replicas) || a.Generation != b.Generation
	case *appsv1.StatefulSet:
		b, ok := before.(*appsv1.StatefulSet)
		return !ok || orOne(a.Spec.Replicas) != orOne(b.Spec.Replicas) || a.Generation != b.Generation
	}
	return true
}

func orOne(n *int32) int32 {
	if n == nil {
		return 1
	}
	return *n
}

func notFound(err error, id ID) error {
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: %s %s/%s", ErrNotFound, id.GVK.Kind, id.Namespace, id.Name)
	}
	return fmt.Errorf("reading %s %s/%s: %w", id.GVK.Kind, id.Namespace, id.Name, err)
}
