package v1alpha1

import autoscalingv2 "k8s.io/api/autoscaling/v2"

// ScaleTriggers is one trigger: an event source and how to measure it.
type ScaleTriggers struct {
	// Kind of event source, such as kafka.
	Type string `json:"type"`
	// Name by which a formula refers to the trigger, unique within the object.
	// +optional
	Name string `json:"name,omitempty"`
	// Whether the HPA is answered from the last poll instead of a new look at
	// the source.
	// +optional
	UseCachedMetrics bool `json:"useCachedMetrics,omitempty"`
	// The source's parameters; which there are depends on type.
	Metadata map[string]string `json:"metadata"`
	// Where further parameters, such as passwords, come from.
	// +optional
	AuthenticationRef *AuthenticationRef `json:"authenticationRef,omitempty"`
	// AverageValue (also when unset) or Value; for cpu and memory Utilization or
	// AverageValue.
	// +optional
	MetricType autoscalingv2.MetricTargetType `json:"metricType,omitempty"`
}

// AuthenticationRef names a TriggerAuthentication of the same namespace or a
// ClusterTriggerAuthentication.
type AuthenticationRef struct {
	Name string `json:"name"`
	// TriggerAuthentication when unset.
	// +optional
	// +kubebuilder:validation:Enum=TriggerAuthentication;ClusterTriggerAuthentication
	Kind string `json:"kind,omitempty"`
}
