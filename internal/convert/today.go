package convert

import (
	"maps"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler/param"
)

// ScaledObject converts a ScaledObject of keda.sh. The workload is complete
// even with problems, so that an object can be deleted whatever is wrong.
func ScaledObject(o *kedav1.ScaledObject) (*model.Workload, param.Problems) {
	var ps param.Problems
	w := newWorkload(model.GroupToday, model.KindScaledObject, &o.ObjectMeta)
	s := &o.Spec
	if t := s.ScaleTargetRef; t != nil {
		w.Target = model.Target{
			APIVersion: orText(t.APIVersion, defaultTargetVersion), Kind: orText(t.Kind, defaultTargetKind),
			Name: t.Name, Container: t.EnvSourceContainerName,
		}
	}
	w.PollingInterval = seconds(s.PollingInterval, defaultPollingInterval)
	w.Cooldown = seconds(s.CooldownPeriod, defaultCooldown)
	w.InitialCooldown = seconds(s.InitialCooldownPeriod, 0)
	w.Min, w.Max = or(s.MinReplicaCount, 0), or(s.MaxReplicaCount, defaultMaxReplicas)
	w.Idle = clone(s.IdleReplicaCount)
	w.Triggers = triggers(s.Triggers)
	w.HPA = model.HPA{
		Name: hpaPrefix + o.Name, SelectorKey: selectorToday, SelectorValue: o.Name,
		Labels: inheritedLabels(o.Labels, o.Annotations, annotationExcludedLabels), Annotations: maps.Clone(o.Annotations),
	}
	advanced(w, s.Advanced)
	if f := s.Fallback; f != nil {
		w.Fallback = &model.Fallback{FailureThreshold: f.FailureThreshold, Replicas: f.Replicas, Behavior: orText(f.Behavior, defaultFallback)}
	}
	annotated(w, o.Annotations, &ps)
	return w, ps
}

func advanced(w *model.Workload, a *kedav1.AdvancedConfig) {
	if a == nil {
		return
	}
	w.RestoreReplicas = a.RestoreToOriginalReplicaCount
	if h := a.HorizontalPodAutoscalerConfig; h != nil {
		w.HPA.Name = orText(h.Name, w.HPA.Name)
		w.HPA.Behavior = h.Behavior.DeepCopy()
	}
	if m := a.ScalingModifiers; m != (kedav1.ScalingModifiers{}) {
		w.Modifiers = &model.Modifiers{
			Formula: m.Formula, Target: m.Target, ActivationTarget: m.ActivationTarget,
			MetricType: m.MetricType,
		}
	}
}

func triggers(in []kedav1.ScaleTriggers) []model.Trigger {
	out := make([]model.Trigger, len(in))
	for i, t := range in {
		out[i] = model.Trigger{
			Type: t.Type, Name: t.Name, Metadata: maps.Clone(t.Metadata), UseCached: t.UseCachedMetrics,
			MetricType: t.MetricType,
		}
		if r := t.AuthenticationRef; r != nil {
			out[i].Auth = &model.AuthRef{Kind: orText(r.Kind, model.KindTriggerAuthentication), Name: r.Name}
		}
	}
	return out
}
