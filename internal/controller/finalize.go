package controller

import (
	"context"
	"errors"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/targets"
)

// estate is what there is to remove when an object has gone.
type estate struct {
	uid types.UID
	hpa string
}

// estates are those of all objects of a kind. The zero value is ready to use.
type estates struct {
	mu  sync.Mutex
	all map[model.Key]estate
}

func (e *estates) keep(k model.Key, of estate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all == nil {
		e.all = map[model.Key]estate{}
	}
	e.all[k] = of
}

func (e *estates) take(k model.Key) (estate, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	of, ok := e.all[k]
	delete(e.all, k)
	return of, ok
}

// gone forgets an object that has gone without a finalizer of ours. Its HPA is
// removed at once; the cluster's garbage collector would do it a little later.
func (r *reconciler) gone(ctx context.Context, key model.Key) error {
	status, _ := r.Loop.Status(key)
	r.forget(key)
	of, ok := r.estates.take(key)
	if !ok {
		return nil
	}
	obj := named(r.kind.New(), key.Namespace, key.Name, of.uid)
	r.Writer.Event(obj, corev1.EventTypeWarning, key.Kind+"Deleted", key.Kind+" was deleted")
	return r.removeHPAs(ctx, obj, of.hpa, status.HPAName)
}

// named makes an empty object stand for one that has gone.
func named(obj client.Object, namespace, name string, uid types.UID) client.Object {
	obj.SetNamespace(namespace)
	obj.SetName(name)
	obj.SetUID(uid)
	return obj
}

func (r *reconciler) removeHPAs(ctx context.Context, obj client.Object, names ...string) error {
	for _, name := range names {
		if name == "" {
			continue
		}
		if _, err := r.Writer.DeleteHPA(ctx, obj.GetNamespace(), name, obj); err != nil {
			return err
		}
	}
	return nil
}

// restores says that a target is to get its count back when the object goes.
func restores(w *model.Workload) bool { return w.RestoreReplicas && w.Job == nil }

// finalize removes what belongs to a deleted object and lets it go.
func (r *reconciler) finalize(ctx context.Context, obj client.Object, w *model.Workload) error {
	status, known := r.Loop.Status(w.Key)
	if !known {
		status = r.kind.Status(obj)
	}
	r.forget(w.Key)
	r.estates.take(w.Key)
	if !controllerutil.ContainsFinalizer(obj, r.kind.Finalizer) {
		return nil
	}
	if err := r.removeHPAs(ctx, obj, w.HPA.Name, status.HPAName); err != nil {
		return err
	}
	if err := r.restore(ctx, w, status); err != nil {
		return err
	}
	before := obj.DeepCopyObject().(client.Object)
	controllerutil.RemoveFinalizer(obj, r.kind.Finalizer)
	err := r.Writer.PatchMeta(ctx, before, obj)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	if err == nil {
		r.Writer.Event(obj, corev1.EventTypeWarning, w.Key.Kind+"Deleted", w.Key.Kind+" was deleted")
	}
	return err
}

// restore gives a target its original count back when the user asked for it.
func (r *reconciler) restore(ctx context.Context, w *model.Workload, status model.Status) error {
	if !restores(w) || status.OriginalReplicas == nil {
		return nil
	}
	id, err := targets.IDOf(w.Key.Namespace, w.Target)
	if err != nil {
		return nil //nolint:nilerr // a target that can't be named was never scaled
	}
	scale, err := r.Targets.Get(ctx, id)
	if errors.Is(err, targets.ErrNotFound) || errors.Is(err, targets.ErrNoScale) {
		return nil
	}
	if err != nil {
		return err
	}
	if scale.Replicas == *status.OriginalReplicas {
		return nil
	}
	gvr := schema.GroupVersionResource{Group: scale.GVKR.Group, Version: scale.GVKR.Version, Resource: scale.GVKR.Resource}
	_, err = r.Writer.Scale(ctx, gvr, id.Namespace, id.Name, *status.OriginalReplicas)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
