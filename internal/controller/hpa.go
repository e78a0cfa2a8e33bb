package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/decide"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/scaling"
	"github.com/kedago/keda/internal/targets"
)

// applyHPA makes the HPA what the workload calls for. What stands in the way
// of it becomes a problem of the subject; only what may pass by itself is
// returned as an error.
func (r *reconciler) applyHPA(ctx context.Context, obj client.Object, w *model.Workload, p *plan, subject *scaling.Subject) (wrote bool, err error) {
	if old := subject.Previous.HPAName; old != "" && old != w.HPA.Name {
		if _, err := r.Writer.DeleteHPA(ctx, w.Key.Namespace, old, obj); err != nil {
			return false, err
		}
	}
	if w.Job != nil {
		return false, nil
	}
	if !decide.NeedsHPA(w) {
		_, err := r.Writer.DeleteHPA(ctx, w.Key.Namespace, w.HPA.Name, obj)
		return false, err
	}
	id, err := targets.IDOf(w.Key.Namespace, w.Target)
	if err != nil {
		return false, err
	}
	scale, err := r.Targets.Get(ctx, id)
	if err != nil {
		if errors.Is(err, targets.ErrNotFound) || errors.Is(err, targets.ErrNoScale) {
			return false, nil // the loop says so in the status; a watch brings us back
		}
		return false, err
	}
	metrics, err := r.hpaMetrics(ctx, w, p)
	if err != nil || len(metrics) == 0 {
		return false, err // nothing is known yet; what a source states brings us back
	}
	want, err := decide.HPA(w, metrics, r.Version, owner(r.kind, obj), scale.Replicas)
	if err != nil {
		subject.Problems.Errorf("spec", "%v", err)
		return false, nil
	}
	wrote, err = r.Writer.ApplyHPA(ctx, want, takesOver(obj))
	if foreign, ok := asForeign(err); ok {
		subject.Problems.Errorf("spec.advanced.horizontalPodAutoscalerConfig.name", "%v", foreign)
		return false, nil
	}
	if err != nil {
		return wrote, err
	}
	var have autoscalingv2.HorizontalPodAutoscaler
	if err := r.Client.Get(ctx, client.ObjectKeyFromObject(want), &have); err == nil {
		subject.HPA = decide.ViewHPA(&have)
	}
	return wrote, nil
}

// hpaMetrics lists the metrics that the HPA has, with the targets that sources
// state. One that is not known since the start is the HPA's own of before; a
// metric whose target nobody knows is left out.
func (r *reconciler) hpaMetrics(ctx context.Context, w *model.Workload, p *plan) ([]model.Metric, error) {
	metrics := p.prepared.HPAMetrics()
	if !slices.ContainsFunc(metrics, func(m model.Metric) bool { return m.Stated }) {
		return metrics, nil
	}
	entry, _, _ := r.Store.Get(w.Key)
	var have autoscalingv2.HorizontalPodAutoscaler
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: w.Key.Namespace, Name: w.HPA.Name}, &have)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading the HPA %s: %w", w.HPA.Name, err)
	}
	return decide.StatedTargets(metrics, entry.Metrics, &have), nil
}
