package convert

import (
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
)

// JobStatus reads the status of a ScaledJob, a part of a ScaledObject's.
func JobStatus(o *kedav1.ScaledJob) model.Status {
	s := &o.Status
	out := Status(&kedav1.ScaledObject{Status: kedav1.ScaledObjectStatus{
		ObservedGeneration: s.ObservedGeneration, LastActiveTime: s.LastActiveTime,
		ExternalMetricNames: s.ExternalMetricNames, Conditions: s.Conditions,
		TriggersTypes: s.TriggersTypes, AuthenticationsTypes: s.AuthenticationsTypes,
		TriggersActivity: s.TriggersActivity, Health: s.Health, LastDecision: s.LastDecision,
	}})
	out.JobSequence = s.JobSequence
	return out
}

// SetJobStatus replaces the status of a ScaledJob. What only targets with
// replicas have is left out.
func SetJobStatus(o *kedav1.ScaledJob, status model.Status) {
	var object kedav1.ScaledObject
	SetStatus(&object, status)
	s := &object.Status
	o.Status = kedav1.ScaledJobStatus{
		ObservedGeneration: s.ObservedGeneration, LastActiveTime: s.LastActiveTime,
		ExternalMetricNames: s.ExternalMetricNames, Conditions: s.Conditions, Paused: o.Status.Paused,
		TriggersTypes: s.TriggersTypes, AuthenticationsTypes: s.AuthenticationsTypes,
		TriggersActivity: s.TriggersActivity, Health: s.Health, LastDecision: s.LastDecision, JobSequence: status.JobSequence,
	}
}
