package v1alpha1

// AuthTargetRef takes a parameter from a key of a Secret or ConfigMap.
type AuthTargetRef struct {
	Parameter string `json:"parameter"`
	Name      string `json:"name"`
	Key       string `json:"key"`
}

// AuthSecretTargetRef takes a parameter from a key of a Secret.
type AuthSecretTargetRef AuthTargetRef

// AuthConfigMapTargetRef takes a parameter from a key of a ConfigMap.
type AuthConfigMapTargetRef AuthTargetRef

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

// BoundServiceAccountToken asks for a token of a service account.
type BoundServiceAccountToken struct {
	Parameter          string `json:"parameter"`
	ServiceAccountName string `json:"serviceAccountName"`
}

// SecretValue is a value that is kept in a Secret.
type SecretValue struct {
	ValueFrom SecretSource `json:"valueFrom"`
}

// SecretSource says which Secret.
type SecretSource struct {
	SecretKeyRef SecretKeyRef `json:"secretKeyRef"`
}

// SecretKeyRef is a key of a Secret.
type SecretKeyRef struct {
	Name string `json:"name"`
	Key  string `json:"key"`
}

// OAuth2 gets tokens of an OAuth 2.0 server.
type OAuth2 struct {
	// The grant.
	// +kubebuilder:default=clientCredentials
	// +kubebuilder:validation:Enum=clientCredentials
	Type     string `json:"type"`
	ClientID string `json:"clientId"`
	// +optional
	ClientSecret *SecretValue `json:"clientSecret,omitempty"`
	TokenURL     string       `json:"tokenUrl"`
	// +optional
	Scopes []string `json:"scopes,omitempty"`
	// Further fields of the request.
	// +optional
	TokenURLParams map[string]string `json:"tokenUrlParams,omitempty"`
}

// HashiCorpVault takes parameters from a Vault server.
type HashiCorpVault struct {
	Address string `json:"address"`
	// +kubebuilder:validation:Enum=token;kubernetes
	Authentication string `json:"authentication"`
	// Vault namespace.
	// +optional
	Namespace string `json:"namespace,omitempty"`
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
	// Token, readable by whoever can read this object.
	// +optional
	Token string `json:"token,omitempty"`
	// Secret that holds the token; an addition to upstream's fields.
	// +optional
	TokenFrom *SecretSource `json:"tokenFrom,omitempty"`
	// File with the service account's token, in the operator's container.
	// +optional
	ServiceAccount string `json:"serviceAccount,omitempty"`
	// Service account for which a token is asked for.
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
}

// VaultSecret takes a parameter from a key of a secret in Vault.
type VaultSecret struct {
	Parameter string `json:"parameter"`
	Path      string `json:"path"`
	Key       string `json:"key"`
	// Kind of the secret; found out from path when unset.
	// +optional
	// +kubebuilder:validation:Enum="";secretV2;secret;pki
	Type string `json:"type,omitempty"`
	// What the certificate is asked for with (pki).
	// +optional
	PkiData *VaultPkiData `json:"pkiData,omitempty"`
}

// VaultPkiData describes a certificate that Vault is to issue.
type VaultPkiData struct {
	// +optional
	CommonName string `json:"commonName,omitempty"`
	// +optional
	AltNames string `json:"altNames,omitempty"`
	// +optional
	IPSans string `json:"ipSans,omitempty"`
	// +optional
	URISans string `json:"uriSans,omitempty"`
	// +optional
	OtherSans string `json:"otherSans,omitempty"`
	// +optional
	TTL string `json:"ttl,omitempty"`
	// +optional
	Format string `json:"format,omitempty"`
}

// AzureKeyVault takes parameters from an Azure Key Vault.
type AzureKeyVault struct {
	VaultURI string                `json:"vaultUri"`
	Secrets  []AzureKeyVaultSecret `json:"secrets"`
	// +optional
	Credentials *AzureKeyVaultCredentials `json:"credentials,omitempty"`
	// +optional
	PodIdentity *AuthPodIdentity `json:"podIdentity,omitempty"`
	// +optional
	Cloud *AzureKeyVaultCloudInfo `json:"cloud,omitempty"`
}

// AzureKeyVaultSecret takes a parameter from a secret of the vault.
type AzureKeyVaultSecret struct {
	Parameter string `json:"parameter"`
	Name      string `json:"name"`
	// The latest when unset.
	// +optional
	Version string `json:"version,omitempty"`
}

// AzureKeyVaultCredentials is an application that may read the vault.
type AzureKeyVaultCredentials struct {
	ClientID     string      `json:"clientId"`
	ClientSecret SecretValue `json:"clientSecret"`
	TenantID     string      `json:"tenantId"`
}

// AzureKeyVaultCloudInfo says which Azure cloud the vault is in.
type AzureKeyVaultCloudInfo struct {
	// Name of the cloud, or Private with the two URLs.
	Type string `json:"type"`
	// +optional
	KeyVaultResourceURL string `json:"keyVaultResourceURL,omitempty"`
	// +optional
	ActiveDirectoryEndpoint string `json:"activeDirectoryEndpoint,omitempty"`
}

// GCPSecretManager takes parameters from Google Secret Manager.
type GCPSecretManager struct {
	Secrets []GCPSecretManagerSecret `json:"secrets"`
	// +optional
	Credentials *GCPCredentials `json:"credentials,omitempty"`
	// +optional
	PodIdentity *AuthPodIdentity `json:"podIdentity,omitempty"`
}

// GCPSecretManagerSecret takes a parameter from a secret.
type GCPSecretManagerSecret struct {
	Parameter string `json:"parameter"`
	ID        string `json:"id"`
	// latest when unset.
	// +optional
	Version string `json:"version,omitempty"`
}

// GCPCredentials is the key of a service account, in JSON.
type GCPCredentials struct {
	ClientSecret SecretValue `json:"clientSecret"`
}

// AwsSecretManager takes parameters from AWS Secrets Manager.
type AwsSecretManager struct {
	Secrets []AwsSecretManagerSecret `json:"secrets"`
	// +optional
	Credentials *AwsSecretManagerCredentials `json:"credentials,omitempty"`
	// +optional
	PodIdentity *AuthPodIdentity `json:"podIdentity,omitempty"`
	// +optional
	Region string `json:"region,omitempty"`
}

// AwsSecretManagerSecret takes a parameter from a secret.
type AwsSecretManagerSecret struct {
	Parameter string `json:"parameter"`
	Name      string `json:"name"`
	// +optional
	VersionID string `json:"versionId,omitempty"`
	// +optional
	VersionStage string `json:"versionStage,omitempty"`
	// Field of a secret that is JSON.
	// +optional
	SecretKey string `json:"secretKey,omitempty"`
}

// AwsSecretManagerCredentials is an access key.
type AwsSecretManagerCredentials struct {
	AccessKey       SecretValue `json:"accessKey"`
	AccessSecretKey SecretValue `json:"accessSecretKey"`
	// +optional
	AccessToken *SecretValue `json:"accessToken,omitempty"`
}

// AwsParameterStore takes parameters from the Parameter Store of AWS Systems
// Manager.
type AwsParameterStore struct {
	Parameters []AwsParameterStoreParameter `json:"parameters"`
	// +optional
	Credentials *AwsSecretManagerCredentials `json:"credentials,omitempty"`
	// +optional
	PodIdentity *AuthPodIdentity `json:"podIdentity,omitempty"`
	// +optional
	Region string `json:"region,omitempty"`
}

// AwsParameterStoreParameter takes a trigger's parameter from one of the store.
type AwsParameterStoreParameter struct {
	Parameter string `json:"parameter"`
	// Name or ARN in the store.
	Name string `json:"name"`
	// Number or label of a version; the latest when unset.
	// +optional
	Version string `json:"version,omitempty"`
	// Field of a value that is JSON.
	// +optional
	Key string `json:"key,omitempty"`
}
