package v1alpha1

import (
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ScaledJob runs Jobs by events.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=scaledjobs,scope=Namespaced,shortName=sj,categories=keda
// +kubebuilder:printcolumn:name="Min",type="integer",JSONPath=".spec.minReplicaCount"
// +kubebuilder:printcolumn:name="Max",type="integer",JSONPath=".spec.maxReplicaCount"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Active",type="string",JSONPath=".status.conditions[?(@.type==\"Active\")].status"
// +kubebuilder:printcolumn:name="Paused",type="string",JSONPath=".status.conditions[?(@.type==\"Paused\")].status"
// +kubebuilder:printcolumn:name="Triggers",type="string",JSONPath=".status.triggersTypes"
// +kubebuilder:printcolumn:name="Authentications",type="string",JSONPath=".status.authenticationsTypes"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
type ScaledJob struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +optional
	Spec ScaledJobSpec `json:"spec,omitzero"`
	// +optional
	Status ScaledJobStatus `json:"status,omitzero"`
}

// ScaledJobList is a list of ScaledJobs.
//
// +kubebuilder:object:root=true
type ScaledJobList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []ScaledJob `json:"items"`
}

// ScaledJobSpec says which Jobs to run, by which events and how many at most.
type ScaledJobSpec struct {
	// Spec of the Jobs.
	JobTargetRef *batchv1.JobSpec `json:"jobTargetRef"`
	// Seconds between two looks at a trigger's source; 30 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PollingInterval *int32 `json:"pollingInterval,omitempty"`
	// Successful Jobs that are kept; 100 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=0
	SuccessfulJobsHistoryLimit *int32 `json:"successfulJobsHistoryLimit,omitempty"`
	// Failed Jobs that are kept; 100 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FailedJobsHistoryLimit *int32 `json:"failedJobsHistoryLimit,omitempty"`
	// Older name of rollout.strategy.
	// +optional
	// +kubebuilder:validation:Enum=gradual;immediate
	RolloutStrategy string `json:"rolloutStrategy,omitempty"`
	// What happens to running Jobs when the spec changes.
	// +optional
	Rollout Rollout `json:"rollout,omitzero"`
	// Container whose environment resolves parameters that end in FromEnv; the
	// first one when unset.
	// +optional
	EnvSourceContainerName string `json:"envSourceContainerName,omitempty"`
	// Jobs that run at any time; 0 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MinReplicaCount *int32 `json:"minReplicaCount,omitempty"`
	// Largest number of Jobs that run at once; 100 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxReplicaCount *int32 `json:"maxReplicaCount,omitempty"`
	// How running and pending Jobs count.
	// +optional
	ScalingStrategy ScalingStrategy `json:"scalingStrategy,omitzero"`
	// Event sources; Jobs are run when one of them is active.
	Triggers []ScaleTriggers `json:"triggers"`
}

// Rollout says what happens to running Jobs when the spec changes.
type Rollout struct {
	// gradual lets them go on, immediate, which is the default, deletes them.
	// +optional
	// +kubebuilder:validation:Enum=gradual;immediate
	Strategy string `json:"strategy,omitempty"`
	// How their pods go when they are deleted; background when unset.
	// +optional
	// +kubebuilder:validation:Enum=foreground;background
	PropagationPolicy string `json:"propagationPolicy,omitempty"`
}

// ScalingStrategy says how running and pending Jobs count against new ones.
type ScalingStrategy struct {
	// +optional
	// +kubebuilder:validation:Enum=default;custom;accurate;eager
	Strategy string `json:"strategy,omitempty"`
	// For strategy custom: what is taken off the queue's length.
	// +optional
	CustomScalingQueueLengthDeduction *int32 `json:"customScalingQueueLengthDeduction,omitempty"`
	// For strategy custom: the share of running Jobs taken off, a number such as 0.5.
	// +optional
	CustomScalingRunningJobPercentage string `json:"customScalingRunningJobPercentage,omitempty"`
	// Conditions that a Job's pods must have for it not to count as pending.
	// +optional
	PendingPodConditions []string `json:"pendingPodConditions,omitempty"`
	// How the triggers' numbers become one; max when unset.
	// +optional
	// +kubebuilder:validation:Enum=min;avg;sum;max
	MultipleScalersCalculation string `json:"multipleScalersCalculation,omitempty"`
}

// ScaledJobStatus is what has been found and done.
type ScaledJobStatus struct {
	// Generation of the object that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// When a trigger was last active.
	// +optional
	LastActiveTime *metav1.Time `json:"lastActiveTime,omitempty"`
	// +optional
	ExternalMetricNames []string `json:"externalMetricNames,omitempty"`
	// +optional
	Conditions Conditions `json:"conditions,omitempty"`
	// +optional
	Paused string `json:"Paused,omitempty"`
	// Types of the triggers, separated by commas.
	// +optional
	TriggersTypes *string `json:"triggersTypes,omitempty"`
	// Names of the auth objects used, separated by commas.
	// +optional
	AuthenticationsTypes *string `json:"authenticationsTypes,omitempty"`
	// Activity by external metric.
	// +optional
	TriggersActivity map[string]TriggerActivityStatus `json:"triggersActivity,omitempty"`
	// Health by external metric.
	// +optional
	Health map[string]HealthStatus `json:"health,omitempty"`
	// The last decision that made or removed Jobs.
	// +optional
	LastDecision *Decision `json:"lastDecision,omitempty"`
	// Number of the last Job made, with which its name ends.
	// +optional
	JobSequence int64 `json:"jobSequence,omitempty"`
}
