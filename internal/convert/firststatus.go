package convert

import (
	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// FirstStatus reads the status of a ScaledObject of keda.k8s.io.
func FirstStatus(o *firstv1.ScaledObject) model.Status {
	s := &o.Status
	today := kedav1.ScaledObject{Status: kedav1.ScaledObjectStatus{
		ObservedGeneration: s.ObservedGeneration, ScaleTargetKind: s.ScaleTargetKind,
		ScaleTargetGVKR:      (*kedav1.GroupVersionKindResource)(s.ScaleTargetGVKR),
		OriginalReplicaCount: s.OriginalReplicaCount, LastActiveTime: s.LastActiveTime,
		ExternalMetricNames: s.ExternalMetricNames, ResourceMetricNames: s.ResourceMetricNames,
		CompositeScalerName: s.CompositeScalerName, HpaName: s.HpaName, PausedReplicaCount: s.PausedReplicaCount,
		TriggersTypes: s.TriggersTypes, AuthenticationsTypes: s.AuthenticationsTypes,
		TriggersActivity: mapped(s.TriggersActivity, func(a firstv1.TriggerActivityStatus) kedav1.TriggerActivityStatus {
			return kedav1.TriggerActivityStatus(a)
		}),
		Health:       mapped(s.Health, func(h firstv1.HealthStatus) kedav1.HealthStatus { return kedav1.HealthStatus(h) }),
		LastDecision: (*kedav1.Decision)(s.LastDecision),
	}}
	for _, c := range s.Conditions {
		today.Status.Conditions = append(today.Status.Conditions, kedav1.Condition(c))
	}
	out := Status(&today)
	out.JobSequence = s.JobSequence
	return out
}

// SetFirstStatus replaces the status of a ScaledObject of keda.k8s.io, as
// SetStatus does: the two groups' statuses have the same fields.
func SetFirstStatus(o *firstv1.ScaledObject, status model.Status) {
	var today kedav1.ScaledObject
	SetStatus(&today, status)
	s := &today.Status
	o.Status = firstv1.ScaledObjectStatus{
		ObservedGeneration: s.ObservedGeneration, ScaleTargetKind: s.ScaleTargetKind,
		ScaleTargetGVKR:      (*firstv1.GroupVersionKindResource)(s.ScaleTargetGVKR),
		OriginalReplicaCount: s.OriginalReplicaCount, LastActiveTime: s.LastActiveTime,
		ExternalMetricNames: s.ExternalMetricNames, ResourceMetricNames: s.ResourceMetricNames,
		CompositeScalerName: s.CompositeScalerName, HpaName: s.HpaName, PausedReplicaCount: s.PausedReplicaCount,
		TriggersTypes: s.TriggersTypes, AuthenticationsTypes: s.AuthenticationsTypes,
		TriggersActivity: mapped(s.TriggersActivity, func(a kedav1.TriggerActivityStatus) firstv1.TriggerActivityStatus {
			return firstv1.TriggerActivityStatus(a)
		}),
		Health:       mapped(s.Health, func(h kedav1.HealthStatus) firstv1.HealthStatus { return firstv1.HealthStatus(h) }),
		LastDecision: (*firstv1.Decision)(s.LastDecision), JobSequence: status.JobSequence,
	}
	for _, c := range s.Conditions {
		o.Status.Conditions = append(o.Status.Conditions, firstv1.Condition(c))
	}
}
