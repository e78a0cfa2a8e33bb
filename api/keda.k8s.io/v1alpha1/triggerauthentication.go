package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// TriggerAuthentication says where triggers of its namespace take parameters
// such as passwords from. It never holds them itself.
//
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=triggerauthentications,scope=Namespaced,shortName=ta;triggerauth,categories=keda
// +kubebuilder:metadata:annotations="api-approved.kubernetes.io=unapproved, this group was KEDA's first and is kept for its users"
// +kubebuilder:printcolumn:name="PodIdentity",type="string",JSONPath=".spec.podIdentity.provider"
// +kubebuilder:printcolumn:name="Secret",type="string",JSONPath=".spec.secretTargetRef[*].name"
// +kubebuilder:printcolumn:name="Env",type="string",JSONPath=".spec.env[*].name"
// +kubebuilder:printcolumn:name="VaultAddress",type="string",JSONPath=".spec.hashiCorpVault.address"
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

// TriggerAuthenticationSpec says where parameters come from.
type TriggerAuthenticationSpec struct {
	// Identity of a cloud that stands in for a password.
	// +optional
	PodIdentity *AuthPodIdentity `json:"podIdentity,omitempty"`
	// Parameters from Secrets.
	// +optional
	SecretTargetRef []AuthSecretTargetRef `json:"secretTargetRef,omitempty"`
	// Parameters from the environment of the target's container.
	// +optional
	Env []AuthEnvironment `json:"env,omitempty"`
	// +optional
	HashiCorpVault *HashiCorpVault `json:"hashiCorpVault,omitempty"`
}

// TriggerAuthenticationStatus says who uses the object.
type TriggerAuthenticationStatus struct {
	// Names of the ScaledObjects, separated by commas.
	// +optional
	ScaledObjectNamesStr string `json:"scaledobjects,omitempty"`
}

// AuthPodIdentity is an identity of a cloud.
type AuthPodIdentity struct {
	// +kubebuilder:validation:Enum=none;azure;gcp;spiffe;aws-eks;aws-kiam
	Provider string `json:"provider"`
}

// AuthSecretTargetRef takes a parameter from a key of a Secret.
type AuthSecretTargetRef struct {
	Parameter string `json:"parameter"`
	Name      string `json:"name"`
	Key       string `json:"key"`
}

// AuthEnvironment takes a parameter from the environment of the target's
// container.
type AuthEnvironment struct {
	Parameter string `json:"parameter"`
	// Name of the variable.
	Name string `json:"name"`
	// Container other than the one that the scaled object names.
	// +optional
	ContainerName string `json:"containerName,omitempty"`
}

// HashiCorpVault takes parameters from a Vault server.
type HashiCorpVault struct {
	Address string `json:"address"`
	// +kubebuilder:validation:Enum=token;kubernetes
	Authentication string `json:"authentication"`
	// Role to log in as (kubernetes).
	// +optional
	Role string `json:"role,omitempty"`
	// Where the login method is mounted (kubernetes).
	// +optional
	Mount string `json:"mount,omitempty"`
	// +optional
	Credential *Credential   `json:"credential,omitempty"`
	Secrets    []VaultSecret `json:"secrets"`
}

// Credential logs in to Vault.
type Credential struct {
	// +optional
	Token string `json:"token,omitempty"`
	// File with the service account's token, in the operator's container.
	// +optional
	ServiceAccount string `json:"serviceAccount,omitempty"`
}

// VaultSecret takes a parameter from a key of a secret in Vault.
type VaultSecret struct {
	Parameter string `json:"parameter"`
	Path      string `json:"path"`
	Key       string `json:"key"`
}
