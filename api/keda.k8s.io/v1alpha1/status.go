package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ScaledObjectStatus is what has been found and done.
type ScaledObjectStatus struct {
	// Generation of the object that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Type of the target, such as apps/v1.Deployment.
	// +optional
	ScaleTargetKind string `json:"scaleTargetKind,omitempty"`
	// +optional
	ScaleTargetGVKR *GroupVersionKindResource `json:"scaleTargetGVKR,omitempty"`
	// Replicas of the target when it was first seen.
	// +optional
	OriginalReplicaCount *int32 `json:"originalReplicaCount,omitempty"`
	// When a trigger was last active.
	// +optional
	LastActiveTime *metav1.Time `json:"lastActiveTime,omitempty"`
	// +optional
	ExternalMetricNames []string `json:"externalMetricNames,omitempty"`
	// +optional
	ResourceMetricNames []string `json:"resourceMetricNames,omitempty"`
	// Metric that a formula makes of the triggers'.
	// +optional
	CompositeScalerName string `json:"compositeScalerName,omitempty"`
	// +optional
	Conditions Conditions `json:"conditions,omitempty"`
	// Health by external metric.
	// +optional
	Health map[string]HealthStatus `json:"health,omitempty"`
	// Replicas at which the target is paused.
	// +optional
	PausedReplicaCount *int32 `json:"pausedReplicaCount,omitempty"`
	// +optional
	HpaName string `json:"hpaName,omitempty"`
	// Types of the triggers, separated by commas.
	// +optional
	TriggersTypes *string `json:"triggersTypes,omitempty"`
	// Names of the auth objects used, separated by commas.
	// +optional
	AuthenticationsTypes *string `json:"authenticationsTypes,omitempty"`
	// Activity by external metric.
	// +optional
	TriggersActivity map[string]TriggerActivityStatus `json:"triggersActivity,omitempty"`
	// The last decision that changed the target.
	// +optional
	LastDecision *Decision `json:"lastDecision,omitempty"`
	// Number of the last Job made, with which its name ends.
	// +optional
	JobSequence int64 `json:"jobSequence,omitempty"`
}

// GroupVersionKindResource names a target's type.
type GroupVersionKindResource struct {
	Group    string `json:"group"`
	Version  string `json:"version"`
	Kind     string `json:"kind"`
	Resource string `json:"resource"`
}

// HealthStatus is the health of one metric.
type HealthStatus struct {
	// Failures in a row.
	// +optional
	NumberOfFailures *int32 `json:"numberOfFailures,omitempty"`
	// Happy or Failing.
	// +optional
	Status string `json:"status,omitempty"`
}

// TriggerActivityStatus is the activity of one trigger.
type TriggerActivityStatus struct {
	IsActive bool `json:"isActive"`
}

// Decision is a decision about the target and why it was made.
type Decision struct {
	Time metav1.Time `json:"time"`
	// Stable name of the rule that decided.
	Rule string `json:"rule"`
	// Replicas found.
	From int32 `json:"from"`
	// Replicas wanted.
	To int32 `json:"to"`
	// The numbers that the rule used, for people.
	// +optional
	Message string `json:"message,omitempty"`
}

// Conditions are an object's conditions, one of each type.
type Conditions []Condition

// Condition is one aspect of an object's state.
type Condition struct {
	Type string `json:"type"`
	// True, False or Unknown.
	Status metav1.ConditionStatus `json:"status"`
	// Stable reason for the status, in one word.
	// +optional
	Reason string `json:"reason,omitempty"`
	// The same for people.
	// +optional
	Message string `json:"message,omitempty"`
	// When status last changed.
	// +optional
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`
	// Generation of the object that the condition speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}
