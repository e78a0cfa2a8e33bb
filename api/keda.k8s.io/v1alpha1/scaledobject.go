package v1alpha1

import (
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ScaledObject scales a Deployment or runs Jobs by events.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=scaledobjects,scope=Namespaced,shortName=sco,categories=keda
// +kubebuilder:metadata:annotations="api-approved.kubernetes.io=unapproved, this group was KEDA's first and is kept for its users"
// +kubebuilder:printcolumn:name="Deployment",type="string",JSONPath=".spec.scaleTargetRef.deploymentName"
// +kubebuilder:printcolumn:name="Triggers",type="string",JSONPath=".spec.triggers[*].type"
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

// ScaleType says what a ScaledObject does.
//
// +kubebuilder:validation:Enum=deployment;job
type ScaleType string

// The scale types.
const (
	ScaleTypeDeployment ScaleType = "deployment"
	ScaleTypeJob        ScaleType = "job"
)

// ScaledObjectSpec says what to scale, by which events and within which limits.
type ScaledObjectSpec struct {
	// Whether a Deployment is scaled or Jobs are run; follows from which of
	// scaleTargetRef and jobTargetRef is there when unset.
	// +optional
	ScaleType ScaleType `json:"scaleType,omitempty"`
	// Deployment that is scaled; not together with jobTargetRef.
	// +optional
	ScaleTargetRef *ObjectReference `json:"scaleTargetRef,omitempty"`
	// Spec of the Jobs that are run; not together with scaleTargetRef.
	// +optional
	JobTargetRef *batchv1.JobSpec `json:"jobTargetRef,omitempty"`
	// Seconds between two looks at a trigger's source; 30 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=1
	PollingInterval *int32 `json:"pollingInterval,omitempty"`
	// Seconds from the last activity until the target may go to zero; 300 when
	// unset.
	// +optional
	// +kubebuilder:validation:Minimum=0
	CooldownPeriod *int32 `json:"cooldownPeriod,omitempty"`
	// Least number of replicas; 0 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MinReplicaCount *int32 `json:"minReplicaCount,omitempty"`
	// Largest number of replicas, or of Jobs that run at once; 100 when unset.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxReplicaCount *int32 `json:"maxReplicaCount,omitempty"`
	// Event sources; the target is active when one of them is.
	Triggers []ScaleTriggers `json:"triggers"`
}

// ObjectReference names the Deployment that is scaled.
type ObjectReference struct {
	// Name of the Deployment, in the same namespace.
	DeploymentName string `json:"deploymentName"`
	// Container whose environment resolves the parameters that name a
	// variable; the first one when unset.
	// +optional
	ContainerName string `json:"containerName,omitempty"`
}

// ScaleTriggers is one trigger: an event source and how to measure it.
type ScaleTriggers struct {
	// Kind of event source, such as kafka.
	Type string `json:"type"`
	// +optional
	Name string `json:"name,omitempty"`
	// The source's parameters; which there are depends on type. Some of them
	// name a variable of the container's environment.
	Metadata map[string]string `json:"metadata"`
	// Where further parameters, such as passwords, come from.
	// +optional
	AuthenticationRef *AuthenticationRef `json:"authenticationRef,omitempty"`
}

// AuthenticationRef names a TriggerAuthentication of the same namespace.
type AuthenticationRef struct {
	Name string `json:"name"`
}
