package migrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kedago/keda/internal/act"
)

// patience is how long a Deployment's pods may take to end.
const patience = 2 * time.Minute

// ApplyOptions say how far Apply may go.
type ApplyOptions struct {
	// StopUpstream allows upstream's operator to be scaled to 0.
	StopUpstream bool
	// DespiteErrors takes over what can be, and leaves the rest.
	DespiteErrors bool
}

// step is one thing that is done, told before it is.
type step struct {
	what string
	do   func(ctx context.Context) error
}

// steps lists what Apply does: nobody may write to the HPAs any more before
// they are taken over.
func (m *migration) steps(in Installation, plans []plan) []step {
	var out []step
	for _, d := range in.Upstream {
		if d.Part == "operator" && d.Replicas > 0 {
			out = append(out, step{
				fmt.Sprintf("scale Deployment %s/%s (%s) from %d to 0", d.Namespace, d.Name, d.Image, d.Replicas),
				func(ctx context.Context) error { return m.stop(ctx, d) },
			})
		}
	}
	if a := in.MetricsAPI; in.ServiceThere && a != nil && a.Service != m.Service {
		out = append(out, step{
			fmt.Sprintf("lead APIService %s from Service %s to %s", apiServiceName, a.Service, m.Service),
			m.leadMetrics,
		})
	}
	for _, p := range plans {
		if p.want == nil || p.have == nil || !p.Ready() || p.HPA.Taken && len(p.HPA.Changes) == 0 {
			continue
		}
		out = append(out, step{
			fmt.Sprintf("take over HPA %s/%s, %s", p.Namespace, p.HPA.Name, changed(len(p.HPA.Changes))),
			func(ctx context.Context) error { return m.takeOver(ctx, p.want) },
		})
	}
	return out
}

func changed(n int) string {
	switch n {
	case 0:
		return "which stays as it is"
	case 1:
		return "with 1 change"
	}
	return fmt.Sprintf("with %d changes", n)
}

// Apply takes the HPAs over, and tells each step before it is done. A second
// run does what is left to do.
func Apply(ctx context.Context, o Options, a ApplyOptions, say func(string)) error {
	m := newMigration(o)
	r, plans, err := m.look(ctx)
	if err != nil {
		return err
	}
	if err := a.allowed(r); err != nil {
		return err
	}
	return run(ctx, m.steps(r.Installation, plans), say)
}

func run(ctx context.Context, steps []step, say func(string)) error {
	for _, s := range steps {
		say(s.what)
		if err := s.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// allowed says what stands in the way, all of it.
func (a ApplyOptions) allowed(r Report) error {
	var errs []error
	for _, d := range r.Installation.Upstream {
		if d.Part == "operator" && d.Replicas > 0 && !a.StopUpstream {
			errs = append(errs, fmt.Errorf("upstream's operator runs as Deployment %s/%s and would write the HPAs back; scale it to 0, or allow that with --stop-upstream", d.Namespace, d.Name))
		}
	}
	if n := r.notReady(); n > 0 && !a.DespiteErrors {
		errs = append(errs, fmt.Errorf("%d objects have errors, see the report; mend them, or leave them with --despite-errors, upon which they are not scaled", n))
	}
	return errors.Join(errs...)
}

// stop scales a Deployment to 0, notes how many replicas it had, and waits
// until its pods have gone.
func (m *migration) stop(ctx context.Context, d Deployment) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]string{annotationReplicas: strconv.Itoa(int(d.Replicas))}},
		"spec":     map[string]any{"replicas": 0},
	})
	if err != nil {
		return err
	}
	o := &appsv1.Deployment{}
	o.Namespace, o.Name = d.Namespace, d.Name
	if err := m.Client.Patch(ctx, o, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(managerMigrate)); err != nil {
		return fmt.Errorf("scaling Deployment %s/%s to 0: %w", d.Namespace, d.Name, err)
	}
	var left int32
	err = wait.PollUntilContextTimeout(ctx, 200*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		if err := m.Client.Get(ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return false, err
		}
		left = o.Status.Replicas
		return o.Status.ObservedGeneration >= o.Generation && left == 0, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the %d pods of Deployment %s/%s to end: %w", left, d.Namespace, d.Name, err)
	}
	return nil
}

// leadMetrics points the APIService at our Service. Whom it trusts is ours to
// write once the operator runs.
func (m *migration) leadMetrics(ctx context.Context) error {
	u := apiService()
	if err := m.Client.Get(ctx, client.ObjectKey{Name: apiServiceName}, u); err != nil {
		return fmt.Errorf("reading APIService %s: %w", apiServiceName, err)
	}
	before := u.GetAnnotations()[annotationBefore] // of an earlier run, if there was one
	if before == "" {
		raw, err := json.Marshal(u.Object["spec"])
		if err != nil {
			return fmt.Errorf("noting what APIService %s was: %w", apiServiceName, err)
		}
		before = string(raw)
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"annotations": map[string]string{annotationBefore: before}},
		"spec":     map[string]any{"service": m.Service, "caBundle": nil, "insecureSkipTLSVerify": nil},
	})
	if err != nil {
		return err
	}
	if err := m.Client.Patch(ctx, u, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(managerMigrate)); err != nil {
		return fmt.Errorf("writing APIService %s: %w", apiServiceName, err)
	}
	return nil
}

// saved is what of an HPA is written back.
type saved struct {
	Labels map[string]string                         `json:"labels,omitempty"`
	Spec   autoscalingv2.HorizontalPodAutoscalerSpec `json:"spec"`
}

// takeOver notes what an HPA was, makes what upstream wrote ours, and applies
// what it is to be. No request leaves it without metrics, so it never does
// anything but hold. Its controller writes the status meanwhile, so what is
// read once may be old at once.
func (m *migration) takeOver(ctx context.Context, want *autoscalingv2.HorizontalPodAutoscaler) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		var h autoscalingv2.HorizontalPodAutoscaler
		if err := m.Client.Get(ctx, client.ObjectKeyFromObject(want), &h); err != nil {
			return err
		}
		if err := m.note(ctx, &h); err != nil {
			return err
		}
		upgrade, err := csaupgrade.UpgradeManagedFieldsPatch(&h, sets.New(managerUpstream), act.FieldManager)
		if err != nil || len(upgrade) == 0 {
			return err
		}
		return m.Client.Patch(ctx, &h, client.RawPatch(types.JSONPatchType, upgrade))
	})
	if err != nil {
		return fmt.Errorf("writing who owns the fields of HPA %s/%s: %w", want.Namespace, want.Name, err)
	}
	return act.ApplyHPA(ctx, m.Client, want)
}

// note writes down what an HPA was, once.
func (m *migration) note(ctx context.Context, h *autoscalingv2.HorizontalPodAutoscaler) error {
	if _, noted := h.Annotations[annotationBefore]; noted {
		return nil
	}
	before, err := json.Marshal(saved{h.Labels, h.Spec})
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": h.ResourceVersion, "annotations": map[string]string{annotationBefore: string(before)},
	}})
	if err != nil {
		return err
	}
	return m.Client.Patch(ctx, h, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(managerMigrate))
}
