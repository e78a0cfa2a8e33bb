package convert

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// Status reads the status of a ScaledObject of keda.sh.
func Status(o *kedav1.ScaledObject) model.Status {
	s := &o.Status
	out := model.Status{
		Generation: s.ObservedGeneration, TargetKind: s.ScaleTargetKind,
		OriginalReplicas: clone(s.OriginalReplicaCount), LastActive: timeOf(s.LastActiveTime),
		ExternalMetrics: slices.Clone(s.ExternalMetricNames), ResourceMetrics: slices.Clone(s.ResourceMetricNames),
		CompositeScaler: s.CompositeScalerName, HPAName: s.HpaName, PausedReplicas: clone(s.PausedReplicaCount),
		TriggerTypes: or(s.TriggersTypes, ""), AuthTypes: or(s.AuthenticationsTypes, ""),
	}
	if g := s.ScaleTargetGVKR; g != nil {
		out.TargetGVKR = &model.GVKR{Group: g.Group, Version: g.Version, Kind: g.Kind, Resource: g.Resource}
	}
	out.TriggerActivity = mapped(s.TriggersActivity, func(a kedav1.TriggerActivityStatus) bool { return a.IsActive })
	out.Health = mapped(s.Health, func(h kedav1.HealthStatus) model.Health {
		return model.Health{Failures: or(h.NumberOfFailures, 0), Status: h.Status}
	})
	for _, c := range s.Conditions {
		out.Conditions = append(out.Conditions, model.Condition{
			Type: c.Type, Status: string(c.Status), Reason: c.Reason, Message: c.Message,
			Since: timeOf(c.LastTransitionTime), Generation: c.ObservedGeneration,
		})
	}
	if d := s.LastDecision; d != nil {
		out.LastDecision = &model.DecisionRecord{Time: d.Time.Time, Rule: model.Rule(d.Rule), From: d.From, To: d.To, Message: d.Message}
	}
	return out
}

// SetStatus replaces the status of a ScaledObject of keda.sh. Times lose what
// is below a second, as all times in the API do.
func SetStatus(o *kedav1.ScaledObject, s model.Status) {
	out := kedav1.ScaledObjectStatus{
		ObservedGeneration: s.Generation, ScaleTargetKind: s.TargetKind,
		OriginalReplicaCount: clone(s.OriginalReplicas), LastActiveTime: stamp(s.LastActive),
		ExternalMetricNames: slices.Clone(s.ExternalMetrics), ResourceMetricNames: slices.Clone(s.ResourceMetrics),
		CompositeScalerName: s.CompositeScaler, HpaName: s.HPAName, PausedReplicaCount: clone(s.PausedReplicas),
		TriggersTypes: textOrNil(s.TriggerTypes), AuthenticationsTypes: textOrNil(s.AuthTypes),
	}
	if g := s.TargetGVKR; g != nil {
		out.ScaleTargetGVKR = &kedav1.GroupVersionKindResource{Group: g.Group, Version: g.Version, Kind: g.Kind, Resource: g.Resource}
	}
	out.TriggersActivity = mapped(s.TriggerActivity, func(active bool) kedav1.TriggerActivityStatus {
		return kedav1.TriggerActivityStatus{IsActive: active}
	})
	out.Health = mapped(s.Health, func(h model.Health) kedav1.HealthStatus {
		return kedav1.HealthStatus{NumberOfFailures: &h.Failures, Status: h.Status}
	})
	for _, c := range s.Conditions {
		out.Conditions = append(out.Conditions, kedav1.Condition{
			Type: c.Type, Status: metav1.ConditionStatus(c.Status), Reason: c.Reason, Message: c.Message,
			LastTransitionTime: stamp(c.Since), ObservedGeneration: c.Generation,
		})
	}
	if d := s.LastDecision; d != nil {
		out.LastDecision = &kedav1.Decision{Time: metav1.NewTime(d.Time).Rfc3339Copy(), Rule: string(d.Rule), From: d.From, To: d.To, Message: d.Message}
	}
	o.Status = out
}

// timeOf reads a time that may be missing, which is the zero time.
func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}

// stamp writes a time as the API has it: to the second, missing when zero.
func stamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	out := metav1.NewTime(t).Rfc3339Copy()
	return &out
}

func textOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// mapped converts the values of a map; nothing stays nothing.
func mapped[A, B any](in map[string]A, convert func(A) B) map[string]B {
	if in == nil {
		return nil
	}
	out := make(map[string]B, len(in))
	for k, v := range in {
		out[k] = convert(v)
	}
	return out
}
