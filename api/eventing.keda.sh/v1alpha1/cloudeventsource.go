package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CloudEventSource sends what happens to KEDA's objects in its namespace on as
// CloudEvents.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=cloudeventsources,scope=Namespaced,categories=keda
// +kubebuilder:printcolumn:name="Active",type="string",JSONPath=".status.conditions[?(@.type==\"Active\")].status"
type CloudEventSource struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec CloudEventSourceSpec `json:"spec"`
	// +optional
	Status CloudEventSourceStatus `json:"status,omitzero"`
}

// CloudEventSourceList is a list of CloudEventSources.
//
// +kubebuilder:object:root=true
type CloudEventSourceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []CloudEventSource `json:"items"`
}

// ClusterCloudEventSource is a CloudEventSource for all namespaces.
//
// +genclient
// +genclient:nonNamespaced
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=clustercloudeventsources,scope=Cluster,categories=keda
// +kubebuilder:printcolumn:name="Active",type="string",JSONPath=".status.conditions[?(@.type==\"Active\")].status"
type ClusterCloudEventSource struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec CloudEventSourceSpec `json:"spec"`
	// +optional
	Status CloudEventSourceStatus `json:"status,omitzero"`
}

// ClusterCloudEventSourceList is a list of ClusterCloudEventSources.
//
// +kubebuilder:object:root=true
type ClusterCloudEventSourceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []ClusterCloudEventSource `json:"items"`
}

// CloudEventSourceSpec says which events go where.
type CloudEventSourceSpec struct {
	// Name of the cluster, which begins source and subject of each event.
	// +optional
	ClusterName string      `json:"clusterName,omitempty"`
	Destination Destination `json:"destination"`
	// Which events are sent; all when unset.
	// +optional
	EventSubscription EventSubscription `json:"eventSubscription,omitzero"`
	// Credentials for the destination.
	// +optional
	AuthenticationRef *AuthenticationRef `json:"authenticationRef,omitempty"`
}

// Destination is where events go.
type Destination struct {
	// +optional
	HTTP *CloudEventHTTP `json:"http,omitempty"`
	// +optional
	AzureEventGridTopic *AzureEventGridTopicSpec `json:"azureEventGridTopic,omitempty"`
}

// CloudEventHTTP is a server that takes CloudEvents over HTTP.
type CloudEventHTTP struct {
	URI string `json:"uri"`
}

// AzureEventGridTopicSpec is a topic of Azure Event Grid.
type AzureEventGridTopicSpec struct {
	Endpoint string `json:"endpoint"`
}

// EventSubscription chooses events; at most one of its lists may be there.
type EventSubscription struct {
	// +optional
	IncludedEventTypes []CloudEventType `json:"includedEventTypes,omitempty"`
	// +optional
	ExcludedEventTypes []CloudEventType `json:"excludedEventTypes,omitempty"`
}

// AuthenticationRef names a TriggerAuthentication or ClusterTriggerAuthentication.
type AuthenticationRef struct {
	Name string `json:"name"`
	// TriggerAuthentication when unset.
	// +optional
	// +kubebuilder:validation:Enum=TriggerAuthentication;ClusterTriggerAuthentication
	Kind string `json:"kind,omitempty"`
}

// CloudEventSourceStatus is what has been found.
type CloudEventSourceStatus struct {
	// Generation of the object that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// +optional
	Conditions Conditions `json:"conditions,omitempty"`
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
