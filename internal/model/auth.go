package model

import "github.com/kedago/keda/pkg/scaler"

// Kinds of the objects that hold credentials.
const (
	KindTriggerAuthentication        = "TriggerAuthentication"
	KindClusterTriggerAuthentication = "ClusterTriggerAuthentication"
)

// AllowedHostsAnnotation of a ClusterTriggerAuthentication says for which
// servers its credentials may be used: "kafka.prod.svc:9092, *.example.org".
const AllowedHostsAnnotation = "keda.sh/allowed-hosts"

// Hosts are the servers that credentials may be used for; none when empty.
type Hosts struct{ List []string }

// AuthSpec is a TriggerAuthentication of either group or a
// ClusterTriggerAuthentication: where parameters come from, never their values.
type AuthSpec struct {
	// ClusterWide says that it is a ClusterTriggerAuthentication's.
	ClusterWide bool
	// Hosts is AllowedHostsAnnotation of a ClusterTriggerAuthentication; nil
	// when it has none.
	Hosts *Hosts
	// Secrets is spec.secretTargetRef, ConfigMaps is spec.configMapTargetRef.
	Secrets, ConfigMaps []AuthKey
	// Env is spec.env.
	Env []AuthEnv
	// Identity is spec.podIdentity; its Provider is empty when unset.
	Identity scaler.Identity
	// EmptyIdentityID says that podIdentity.identityId is there but empty.
	EmptyIdentityID bool
	// FilePath is spec.filePath.
	FilePath string
	// Tokens is spec.boundServiceAccountToken.
	Tokens []AuthToken
	// Vault is spec.hashiCorpVault, AWSSecrets spec.awsSecretManager,
	// AWSParameters spec.awsParameterStore, KeyVault spec.azureKeyVault,
	// GCPSecrets spec.gcpSecretManager.
	Vault         *AuthVault
	AWSSecrets    *AuthAWS
	AWSParameters *AuthAWS
	KeyVault      *AuthKeyVault
	GCPSecrets    *AuthGCP
	// OAuth2 is spec.oauth2.
	OAuth2 *AuthOAuth2
	// Retired lists what is set but has ended, each with what follows it, so
	// that "uses …" before it makes a sentence.
	Retired []string
}

// AuthKey takes a parameter from a key of a Secret or ConfigMap.
type AuthKey struct {
	Parameter string
	// Name is the object's, in the namespace of the TriggerAuthentication, or
	// the operator's own for a ClusterTriggerAuthentication.
	Name string
	Key  string
}

// AuthEnv takes a parameter from the environment of the target's container.
type AuthEnv struct {
	Parameter string
	// Name is the variable's.
	Name string
	// Container overrides the one that the workload chose.
	Container string
}
