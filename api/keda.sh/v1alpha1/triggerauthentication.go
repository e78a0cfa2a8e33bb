package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TriggerAuthentication says where triggers of its namespace take parameters
// such as passwords from. It never holds them itself.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=triggerauthentications,scope=Namespaced,shortName=ta;triggerauth,categories=keda
// +kubebuilder:printcolumn:name="PodIdentity",type="string",JSONPath=".spec.podIdentity.provider"
// +kubebuilder:printcolumn:name="Secret",type="string",JSONPath=".spec.secretTargetRef[*].name"
// +kubebuilder:printcolumn:name="Env",type="string",JSONPath=".spec.env[*].name"
// +kubebuilder:printcolumn:name="VaultAddress",type="string",JSONPath=".spec.hashiCorpVault.address"
// +kubebuilder:printcolumn:name="ScaledObjects",type="string",priority=1,JSONPath=".status.scaledobjects"
// +kubebuilder:printcolumn:name="ScaledJobs",type="string",priority=1,JSONPath=".status.scaledjobs"
type TriggerAuthentication struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec TriggerAuthenticationSpec `json:"spec"`
	// +optional
	Status TriggerAuthenticationStatus `json:"status,omitzero"`
}

// TriggerAuthenticationList is a list of TriggerAuthentications.
//
// +kubebuilder:object:root=true
type TriggerAuthenticationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []TriggerAuthentication `json:"items"`
}

// ClusterTriggerAuthentication is a TriggerAuthentication for all namespaces.
// Its Secrets and ConfigMaps are those of the operator's namespace.
//
// +genclient
// +genclient:nonNamespaced
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=clustertriggerauthentications,scope=Cluster,shortName=cta;clustertriggerauth,categories=keda
// +kubebuilder:printcolumn:name="PodIdentity",type="string",JSONPath=".spec.podIdentity.provider"
// +kubebuilder:printcolumn:name="Secret",type="string",JSONPath=".spec.secretTargetRef[*].name"
// +kubebuilder:printcolumn:name="Env",type="string",JSONPath=".spec.env[*].name"
// +kubebuilder:printcolumn:name="FilePath",type="string",JSONPath=".spec.filePath"
// +kubebuilder:printcolumn:name="VaultAddress",type="string",JSONPath=".spec.hashiCorpVault.address"
// +kubebuilder:printcolumn:name="ScaledObjects",type="string",priority=1,JSONPath=".status.scaledobjects"
// +kubebuilder:printcolumn:name="ScaledJobs",type="string",priority=1,JSONPath=".status.scaledjobs"
type ClusterTriggerAuthentication struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec TriggerAuthenticationSpec `json:"spec"`
	// +optional
	Status TriggerAuthenticationStatus `json:"status,omitzero"`
}

// ClusterTriggerAuthenticationList is a list of ClusterTriggerAuthentications.
//
// +kubebuilder:object:root=true
type ClusterTriggerAuthenticationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []ClusterTriggerAuthentication `json:"items"`
}

// TriggerAuthenticationSpec says where parameters come from.
type TriggerAuthenticationSpec struct {
	// Identity of a cloud that stands in for a password.
	// +optional
	PodIdentity *AuthPodIdentity `json:"podIdentity,omitempty"`
	// Parameters from Secrets.
	// +optional
	SecretTargetRef []AuthSecretTargetRef `json:"secretTargetRef,omitempty"`
	// Parameters from ConfigMaps.
	// +optional
	ConfigMapTargetRef []AuthConfigMapTargetRef `json:"configMapTargetRef,omitempty"`
	// Parameters from the environment of the target's container.
	// +optional
	Env []AuthEnvironment `json:"env,omitempty"`
	// +optional
	HashiCorpVault *HashiCorpVault `json:"hashiCorpVault,omitempty"`
	// +optional
	AzureKeyVault *AzureKeyVault `json:"azureKeyVault,omitempty"`
	// +optional
	GCPSecretManager *GCPSecretManager `json:"gcpSecretManager,omitempty"`
	// +optional
	AwsSecretManager *AwsSecretManager `json:"awsSecretManager,omitempty"`
	// An addition to upstream's fields.
	// +optional
	AwsParameterStore *AwsParameterStore `json:"awsParameterStore,omitempty"`
	// Parameters that are tokens of service accounts.
	// +optional
	BoundServiceAccountToken []BoundServiceAccountToken `json:"boundServiceAccountToken,omitempty"`
	// File of JSON below the operator's --filepath-auth-root-path, whose fields
	// are parameters; only in a ClusterTriggerAuthentication.
	// +optional
	FilePath string `json:"filePath,omitempty"`
	// +optional
	OAuth2 *OAuth2 `json:"oauth2,omitempty"`
}

// TriggerAuthenticationStatus says who uses the object.
type TriggerAuthenticationStatus struct {
	// Names of the ScaledObjects, separated by commas.
	// +optional
	ScaledObjectNamesStr string `json:"scaledobjects,omitempty"`
	// Names of the ScaledJobs, separated by commas.
	// +optional
	ScaledJobNamesStr string `json:"scaledjobs,omitempty"`
}

// AuthPodIdentity is an identity of a cloud.
type AuthPodIdentity struct {
	// +kubebuilder:validation:Enum=azure-workload;gcp;aws;aws-eks;none
	Provider string `json:"provider"`
	// Client ID of an identity other than the operator's own (Azure).
	// +optional
	IdentityID *string `json:"identityId,omitempty"`
	// Tenant of the identity (Azure).
	// +optional
	IdentityTenantID string `json:"identityTenantId,omitempty"`
	// URL of the authority that gives out tokens (Azure).
	// +optional
	IdentityAuthorityHost string `json:"identityAuthorityHost,omitempty"`
	// Role to take on (AWS); not together with identityOwner workload.
	// +optional
	RoleArn string `json:"roleArn,omitempty"`
	// Whose service account's role is taken on (AWS): the operator's or the
	// target's.
	// +optional
	// +kubebuilder:validation:Enum=keda;workload
	IdentityOwner string `json:"identityOwner,omitempty"`
	// External ID for taking on roleArn (AWS).
	// +optional
	ExternalID string `json:"externalID,omitempty"`
}
