package model

import "github.com/kedago/keda/pkg/scaler"

// SecretKey names a key of a Secret in the auth object's namespace, or in the
// operator's own for a ClusterTriggerAuthentication.
type SecretKey struct{ Name, Key string }

// AuthToken takes a parameter from a token that is issued for a service account.
type AuthToken struct{ Parameter, ServiceAccount string }

// AuthOAuth2 is spec.oauth2 of an auth object.
type AuthOAuth2 struct {
	Type, ClientID, TokenURL string
	// ClientSecret may be nil.
	ClientSecret *SecretKey
	Scopes       []string
	// Params are further fields of the request for a token.
	Params map[string]string
}

// The values of AuthVault.Method.
const (
	VaultToken      = "token"
	VaultKubernetes = "kubernetes"
)

// The values of VaultSecret.Type; empty means that the answer tells.
const (
	VaultTypeSecret   = "secret"
	VaultTypeSecretV2 = "secretV2"
	VaultTypePKI      = "pki"
)

// AuthVault is spec.hashiCorpVault.
type AuthVault struct {
	Address, Namespace string
	// Method is how to log in.
	Method string
	// Role and Mount are for VaultKubernetes.
	Role, Mount string
	// Token is written in the object itself, TokenFrom is where it is kept
	// otherwise; for VaultToken.
	Token     string
	TokenFrom *SecretKey
	// TokenFile is a file of the operator with a service account's token,
	// ServiceAccount one for which a token is issued; for VaultKubernetes.
	TokenFile, ServiceAccount string
	Secrets                   []VaultSecret
}

// VaultSecret takes a parameter from a key of a secret in Vault.
type VaultSecret struct {
	Parameter, Path, Key, Type string
	PKI                        VaultPKI
}

// VaultPKI describes a certificate that Vault is to issue. It is comparable.
type VaultPKI struct{ CommonName, AltNames, IPSans, URISans, OtherSans, TTL, Format string }

// AuthAWS is spec.awsSecretManager or spec.awsParameterStore.
type AuthAWS struct {
	Region string
	// AccessKey, SecretKey and SessionToken are nil where not given.
	AccessKey, SecretKey, SessionToken *SecretKey
	// Identity is podIdentity; its Provider is empty when unset.
	Identity scaler.Identity
	Secrets  []AWSSecret
}

// AWSSecret takes a parameter from a secret or from a parameter of AWS.
type AWSSecret struct {
	Parameter, Name string
	// VersionID and VersionStage choose a version of a secret, the current
	// one when both are empty. Version is a parameter's version or label.
	VersionID, VersionStage, Version string
	// Key is a field of a value that is a JSON object.
	Key string
}

// AuthKeyVault is spec.azureKeyVault.
type AuthKeyVault struct {
	URL string
	// Cloud is a name of Azure's, or Private with the two addresses.
	Cloud, ResourceURL, AuthorityHost string
	ClientID, TenantID                string
	// ClientSecret is nil where not given.
	ClientSecret *SecretKey
	// Identity is podIdentity; its Provider is empty when unset.
	Identity scaler.Identity
	Secrets  []StoredSecret
}

// StoredSecret takes a parameter from a version of a secret, the latest when
// Version is empty.
type StoredSecret struct{ Parameter, Name, Version string }

// AuthGCP is spec.gcpSecretManager.
type AuthGCP struct {
	// Key is a service account's key in JSON, nil where not given.
	Key *SecretKey
	// Identity is podIdentity; its Provider is empty when unset.
	Identity scaler.Identity
	Secrets  []StoredSecret
}
