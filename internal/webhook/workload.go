package webhook

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kedago/keda/internal/lint"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Cluster is what is asked of the cluster.
type Cluster interface {
	// Rivals returns the other workloads that scale the target of w, or whose
	// HPA would have the name of its HPA. Those being deleted are left out.
	Rivals(ctx context.Context, w *model.Workload) ([]*model.Workload, error)
	// HPAs returns the HorizontalPodAutoscalers that no ScaledObject has made
	// and that scale the target of w, or have the name of its HPA.
	HPAs(ctx context.Context, w *model.Workload) ([]lint.HPA, error)
	// PodSpec returns the pod template of a scale target. An error of
	// apierrors.IsNotFound says that there is none yet, secret.ErrNoPods that
	// its kind has none.
	PodSpec(ctx context.Context, namespace string, target model.Target) (*corev1.PodSpec, error)
	// LimitRanges returns those of a namespace.
	LimitRanges(ctx context.Context, namespace string) ([]corev1.LimitRange, error)
	// Auth returns a TriggerAuthentication of a group, or with an empty
	// namespace a ClusterTriggerAuthentication.
	Auth(ctx context.Context, kind, namespace, name string, group model.Group) (*model.AuthSpec, error)
}

// workload applies all rules to one workload. old is what it was before an
// update, or nil.
func (h *Handler) workload(ctx context.Context, w *model.Workload, old *object) param.Problems {
	ps := lint.Workload(w)
	prepared, problems := h.triggers(ctx, w)
	ps = append(ps, problems...)
	if w.Job != nil {
		return ps
	}
	ps = append(ps, h.others(ctx, w, old)...)
	return append(ps, h.requests(ctx, w, prepared)...)
}

// triggers decodes the triggers twice. What is wrong whatever the objects
// become that they refer to, is an error. What is wrong only with these objects
// as they are now is a warning.
func (h *Handler) triggers(ctx context.Context, w *model.Workload) (lint.Prepared, param.Problems) {
	values, ps, unseen := h.values(ctx, w, nothing{})
	prepared, problems := lint.Prepare(h.opts.Catalog, w, values)
	ps = append(ps, problems...)
	if !unseen {
		return prepared, ps
	}
	values, now, _ := h.values(ctx, w, today{h.opts.Cluster})
	_, problems = lint.Prepare(h.opts.Catalog, w, values)
	for _, p := range append(now, problems...) {
		if slices.Contains(ps, p) {
			continue
		}
		p.Severity = param.Warning
		if p.Hint == "" {
			p.Hint = "as the cluster is now"
		}
		ps = append(ps, p)
	}
	return prepared, ps
}

// values resolves what each trigger refers to. unseen says that something may
// be there without being known.
func (h *Handler) values(ctx context.Context, w *model.Workload, from secret.Reader) (values []param.Values, ps param.Problems, unseen bool) {
	resolver := secret.Resolver{Reader: from, ClusterNamespace: h.opts.ClusterNamespace, Params: func(triggerType string) []param.Info {
		if k, ok := h.opts.Catalog.Lookup(triggerType); ok {
			return k.New().Params().Describe()
		}
		return nil
	}}
	values = make([]param.Values, len(w.Triggers))
	for i, t := range w.Triggers {
		creds, problems := resolver.Resolve(ctx, w, i)
		ps = append(ps, problems...)
		failed := problems.Err() != nil
		values[i] = param.Values{
			Metadata: t.Metadata, Auth: creds.Values, Env: creds.Env, EnvNames: w.Key.Group == model.GroupFirst,
			AuthPending: creds.Unseen.Values, AllAuthPending: creds.Unseen.AllValues || failed, EnvPending: creds.Unseen.Env || failed,
		}
		unseen = unseen || creds.Unseen.AllValues || creds.Unseen.Env || len(creds.Unseen.Values) > 0
	}
	return values, ps, unseen
}

// others applies the rules across objects. An update that changes neither the
// target nor the name of the HPA is warned only: it made nothing worse, and
// mending something else must not wait for the other object.
func (h *Handler) others(ctx context.Context, w *model.Workload, old *object) param.Problems {
	var ps param.Problems
	rivals, err := h.opts.Cluster.Rivals(ctx, w)
	if err != nil {
		unchecked(&ps, "whether another ScaledObject scales the target", err)
	}
	hpas, err := h.opts.Cluster.HPAs(ctx, w)
	if err != nil {
		unchecked(&ps, "whether another HorizontalPodAutoscaler scales the target", err)
	}
	objects := make([]lint.Object, 0, len(rivals)+1)
	for _, r := range rivals {
		objects = append(objects, lint.Object{Workload: r})
	}
	objects = append(objects, lint.Object{Workload: w})
	found := lint.Set(objects, lint.Context{HPAs: hpas})[len(objects)-1]
	if old != nil && old.workload != nil && old.workload.Target == w.Target && old.workload.HPA.Name == w.HPA.Name {
		for i := range found {
			found[i].Severity = param.Warning
		}
	}
	return append(ps, found...)
}

// requests checks what pods request, where that is measured.
func (h *Handler) requests(ctx context.Context, w *model.Workload, prepared lint.Prepared) param.Problems {
	if !lint.MeasuresRequests(prepared) || w.Target.Name == "" {
		return nil
	}
	const doing = "whether the containers of the target request what the triggers measure"
	var ps param.Problems
	pod, err := h.opts.Cluster.PodSpec(ctx, w.Key.Namespace, w.Target)
	switch {
	case errors.Is(err, secret.ErrNoPods):
		return nil
	case apierrors.IsNotFound(err):
		ps.Warnf("spec.scaleTargetRef", "names the %s %q, which does not exist yet, so %s could not be checked", w.Target.Kind, w.Target.Name, doing)
		return ps
	case err != nil:
		unchecked(&ps, doing, err)
		return ps
	}
	ranges, err := h.opts.Cluster.LimitRanges(ctx, w.Key.Namespace)
	if err != nil {
		unchecked(&ps, doing, err)
		return ps
	}
	return lint.Requests(w, prepared, pod, ranges)
}

func unchecked(ps *param.Problems, what string, err error) {
	ps.Warnf("spec.scaleTargetRef", "%s could not be checked: %v", what, err)
}
