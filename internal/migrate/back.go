package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/act"
)

// Back gives back what Apply took, as its notes say: the HPAs, the APIService
// and the replicas of upstream's operator, in this order. Our own operator
// must have been stopped, or it would write the HPAs again.
func Back(ctx context.Context, o Options, say func(string)) error {
	m := newMigration(o)
	in, err := m.installation(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range in.Ours {
		if d.Replicas > 0 {
			errs = append(errs, fmt.Errorf("this build's operator runs as Deployment %s/%s and would write the HPAs again; scale it to 0 first", d.Namespace, d.Name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	steps, err := m.backSteps(ctx)
	if err != nil {
		return err
	}
	return run(ctx, steps, say)
}

// backSteps finds the notes.
func (m *migration) backSteps(ctx context.Context) ([]step, error) {
	var out []step
	var hpas autoscalingv2.HorizontalPodAutoscalerList
	if err := m.Client.List(ctx, &hpas, client.InNamespace(m.Namespace)); err != nil {
		return nil, fmt.Errorf("listing HPAs: %w", err)
	}
	for i := range hpas.Items {
		h := &hpas.Items[i]
		if _, noted := h.Annotations[annotationBefore]; noted {
			out = append(out, step{
				fmt.Sprintf("give HPA %s/%s back", h.Namespace, h.Name),
				func(ctx context.Context) error { return m.giveBack(ctx, client.ObjectKeyFromObject(h)) },
			})
		}
	}
	api := apiService()
	err := m.Client.Get(ctx, client.ObjectKey{Name: apiServiceName}, api)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading APIService %s: %w", apiServiceName, err)
	}
	if before, noted := api.GetAnnotations()[annotationBefore]; noted && !apierrors.IsNotFound(err) {
		out = append(out, step{"lead APIService " + apiServiceName + " to where it led before", func(ctx context.Context) error {
			return m.metricsBack(ctx, before)
		}})
	}
	var deployments appsv1.DeploymentList
	if err := m.Client.List(ctx, &deployments); err != nil {
		return nil, fmt.Errorf("listing Deployments: %w", err)
	}
	for i := range deployments.Items {
		d := &deployments.Items[i]
		text, noted := d.Annotations[annotationReplicas]
		if !noted {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("annotation %s of Deployment %s/%s: found %.20q; expected a number of replicas", annotationReplicas, d.Namespace, d.Name, text)
		}
		out = append(out, step{
			fmt.Sprintf("scale Deployment %s/%s from 0 to %d", d.Namespace, d.Name, n),
			func(ctx context.Context) error { return m.start(ctx, d, n) },
		})
	}
	return out, nil
}

// giveBack writes an HPA as upstream had it, under upstream's name, and lets go
// of what is ours.
func (m *migration) giveBack(ctx context.Context, key client.ObjectKey) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		var h autoscalingv2.HorizontalPodAutoscaler
		if err := m.Client.Get(ctx, key, &h); err != nil {
			return err
		}
		var before saved
		if err := json.Unmarshal([]byte(h.Annotations[annotationBefore]), &before); err != nil || len(before.Spec.Metrics) == 0 {
			return fmt.Errorf("its annotation %s can't be read; expected the JSON that was written there", annotationBefore)
		}
		delete(h.Annotations, annotationBefore)
		h.Labels, h.Spec = before.Labels, before.Spec
		h.ManagedFields = slices.DeleteFunc(h.ManagedFields, func(e metav1.ManagedFieldsEntry) bool {
			return e.Subresource == "" && (e.Manager == act.FieldManager || e.Manager == managerMigrate)
		})
		return m.Client.Update(ctx, &h, client.FieldOwner(managerUpstream))
	})
	if err != nil {
		return fmt.Errorf("giving HPA %s back: %w", key, err)
	}
	return nil
}

func (m *migration) metricsBack(ctx context.Context, before string) error {
	var spec map[string]any
	if err := json.Unmarshal([]byte(before), &spec); err != nil {
		return fmt.Errorf("annotation %s of APIService %s can't be read; expected the JSON that was written there", annotationBefore, apiServiceName)
	}
	for _, name := range []string{"caBundle", "insecureSkipTLSVerify"} {
		if _, had := spec[name]; !had {
			spec[name] = nil
		}
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{annotationBefore: nil}}, "spec": spec,
	})
	if err != nil {
		return err
	}
	if err := m.Client.Patch(ctx, apiServiceNamed(), client.RawPatch(types.MergePatchType, patch), client.FieldOwner(managerMigrate)); err != nil {
		return fmt.Errorf("writing APIService %s: %w", apiServiceName, err)
	}
	return nil
}

func (m *migration) start(ctx context.Context, d *appsv1.Deployment, replicas int64) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{annotationReplicas: nil}},
		"spec":     map[string]any{"replicas": replicas},
	})
	if err != nil {
		return err
	}
	if err := m.Client.Patch(ctx, d, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(managerMigrate)); err != nil {
		return fmt.Errorf("scaling Deployment %s/%s to %d: %w", d.Namespace, d.Name, replicas, err)
	}
	return nil
}
