package controller

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/targets"
)

// finalize removes what belongs to a deleted object and lets it go.
func (r *reconciler) finalize(ctx context.Context, obj client.Object, w *model.Workload) error {
	status, known := r.Loop.Status(w.Key)
	if !known {
		status = r.kind.Status(obj)
	}
	r.forget(w.Key)
	if !controllerutil.ContainsFinalizer(obj, r.kind.Finalizer) {
		return nil
	}
	for _, name := range []string{w.HPA.Name, status.HPAName} {
		if name == "" {
			continue
		}
		if _, err := r.Writer.DeleteHPA(ctx, w.Key.Namespace, name, obj); err != nil {
			return err
		}
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
	if !w.RestoreReplicas || status.OriginalReplicas == nil || w.Job != nil {
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
