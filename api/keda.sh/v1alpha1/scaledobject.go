package v1alpha1

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ScaledObject scales a Deployment, a StatefulSet or anything else with a scale
// subresource by events.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=scaledobjects,scope=Namespaced,shortName=so,categories=keda
// +kubebuilder:printcolumn:name="ScaleTargetKind",type="string",JSONPath=".status.scaleTargetKind"
// +kubebuilder:printcolumn:name="ScaleTargetName",type="string",JSONPath=".spec.scaleTargetRef.name"
// +kubebuilder:printcolumn:name="Min",type="integer",JSONPath=".spec.minReplicaCount"
// +kubebuilder:printcolumn:name="Max",type="integer",JSONPath=".spec.maxReplicaCount"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type==\"Ready\")].status"
// +kubebuilder:printcolumn:name="Active",type="string",JSONPath=".status.conditions[?(@.type==\"Active\")].status"
// +kubebuilder:printcolumn:name="Fallback",type="string",JSONPath=".status.conditions[?(@.type==\"Fallback\")].status"
// +kubebuilder:printcolumn:name="Paused",type="string",JSONPath=".status.conditions[?(@.type==\"Paused\")].status"
// +kubebuilder:printcolumn:name="Triggers",type="string",JSONPath=".status.triggersTypes"
// +kubebuilder:printcolumn:name="Authentications",type="string",JSONPath=".status.authenticationsTypes"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
type ScaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec ScaledObjectSpec `json:"spec"`
	// +optional
	Status ScaledObjectStatus `json:"status,omitzero"`
}

// ScaledObjectList is a list of ScaledObjects.
//
// +kubebuilder:object:root=true
type ScaledObjectList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []ScaledObject `json:"items"`
}

// ScaledObjectSpec says what to scale, by which events and within which limits.
type ScaledObjectSpec struct {
	// What is scaled, in the same namespace.
	ScaleTargetRef *ScaleTarget `json:"scaleTargetRef"`
	// Seconds between two looks at a trigger's source; 30 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PollingInterval *int32 `json:"pollingInterval,omitempty"`
	// Seconds for which a new object that has not been active yet is kept from
	// scaling to zero; 0 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=0
	InitialCooldownPeriod *int32 `json:"initialCooldownPeriod,omitempty"`
	// Seconds from the last activity until the target may go to zero or to
	// idleReplicaCount; 300 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=0
	CooldownPeriod *int32 `json:"cooldownPeriod,omitempty"`
	// Replicas while no trigger is active; less than minReplicaCount.
	// +optional
	// +kubebuilder:validation:Minimum=0
	IdleReplicaCount *int32 `json:"idleReplicaCount,omitempty"`
	// Least number of replicas; 0 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MinReplicaCount *int32 `json:"minReplicaCount,omitempty"`
	// Largest number of replicas; 100 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxReplicaCount *int32 `json:"maxReplicaCount,omitempty"`
	// Further settings of the HPA and of how metrics are combined.
	// +optional
	Advanced *AdvancedConfig `json:"advanced,omitempty"`
	// Event sources; the target is active when one of them is.
	Triggers []ScaleTriggers `json:"triggers"`
	// What to do when metrics can't be had.
	// +optional
	Fallback *Fallback `json:"fallback,omitempty"`
}

// ScaleTarget names what is scaled.
type ScaleTarget struct {
	Name string `json:"name"`
	// API group and version of the kind; apps/v1 when unset.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
	// Any kind with a scale subresource; Deployment when unset.
	// +optional
	Kind string `json:"kind,omitempty"`
	// Container whose environment resolves parameters that end in FromEnv; the
	// first one when unset.
	// +optional
	EnvSourceContainerName string `json:"envSourceContainerName,omitempty"`
}

// AdvancedConfig is spec.advanced.
type AdvancedConfig struct {
	// +optional
	HorizontalPodAutoscalerConfig *HorizontalPodAutoscalerConfig `json:"horizontalPodAutoscalerConfig,omitempty"`
	// Whether the target gets its original number of replicas back when the
	// object is deleted.
	// +optional
	RestoreToOriginalReplicaCount bool `json:"restoreToOriginalReplicaCount,omitempty"`
	// +optional
	ScalingModifiers ScalingModifiers `json:"scalingModifiers,omitzero"`
}

// HorizontalPodAutoscalerConfig shapes the HPA that is made for the object.
type HorizontalPodAutoscalerConfig struct {
	// Passed on to the HPA.
	// +optional
	Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`
	// Name of the HPA; keda-hpa- and the object's name when unset.
	// +optional
	Name string `json:"name,omitempty"`
}

// ScalingModifiers makes one metric out of the triggers'. It is comparable:
// the zero value is none.
type ScalingModifiers struct {
	// Expression over the names of the triggers.
	// +optional
	Formula string `json:"formula,omitempty"`
	// Target value of the formula's result, a number above 0.
	// +optional
	Target string `json:"target,omitempty"`
	// Result above which the target is active, a number; 0 when unset.
	// +optional
	ActivationTarget string `json:"activationTarget,omitempty"`
	// Whether target is per replica (AverageValue, also when unset) or in all (Value).
	// +optional
	// +kubebuilder:validation:Enum=AverageValue;Value
	MetricType autoscalingv2.MetricTargetType `json:"metricType,omitempty"`
}

// Fallback says how many replicas to have when metrics can't be had.
type Fallback struct {
	// Failures in a row that are ignored.
	// +kubebuilder:validation:Minimum=0
	FailureThreshold int32 `json:"failureThreshold"`
	// Replicas to have from then on.
	// +kubebuilder:validation:Minimum=0
	Replicas int32 `json:"replicas"`
	// How replicas and the current count are combined.
	// +optional
	// +kubebuilder:default=static
	// +kubebuilder:validation:Enum=static;currentReplicas;currentReplicasIfHigher;currentReplicasIfLower;scalingModifiers
	Behavior string `json:"behavior,omitempty"`
}
