package convert

import (
	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// providerEKS takes the role from the service account of the target's pods.
const providerEKS = "aws-eks"

// retiredProviders are pod identities that have ended, each with what follows.
func retiredProviders() map[string]string {
	return map[string]string{
		"azure":    "azure, AAD Pod Identity, which has ended; its successor is Azure Workload Identity, provider azure-workload in a TriggerAuthentication of keda.sh",
		"aws-kiam": "aws-kiam, kiam, which has ended; its successor are IAM roles for service accounts, provider aws-eks",
		"spiffe":   "spiffe, which no trigger has ever used; expected credentials in secretTargetRef or env instead",
	}
}

// Auth converts a TriggerAuthentication of keda.sh.
func Auth(o *kedav1.TriggerAuthentication) *model.AuthSpec { return authSpec(&o.Spec) }

// ClusterAuth converts a ClusterTriggerAuthentication of keda.sh.
func ClusterAuth(o *kedav1.ClusterTriggerAuthentication) *model.AuthSpec { return authSpec(&o.Spec) }

func authSpec(s *kedav1.TriggerAuthenticationSpec) *model.AuthSpec {
	a := &model.AuthSpec{}
	for _, e := range s.SecretTargetRef {
		a.Secrets = append(a.Secrets, model.AuthKey(e))
	}
	for _, e := range s.ConfigMapTargetRef {
		a.ConfigMaps = append(a.ConfigMaps, model.AuthKey(e))
	}
	for _, e := range s.Env {
		a.Env = append(a.Env, model.AuthEnv{Parameter: e.Parameter, Name: e.Name, Container: e.ContainerName})
	}
	if p := s.PodIdentity; p != nil {
		provider(a, p.Provider)
		a.Identity.ID, a.EmptyIdentityID = or(p.IdentityID, ""), p.IdentityID != nil && *p.IdentityID == ""
		a.Identity.TenantID, a.Identity.AuthorityHost = p.IdentityTenantID, p.IdentityAuthorityHost
		a.Identity.RoleARN, a.Identity.ExternalID = p.RoleArn, p.ExternalID
		a.Identity.Owner = orText(p.IdentityOwner, a.Identity.Owner)
	}
	if o := s.OAuth2; o != nil {
		a.OAuth2 = &model.AuthOAuth2{Type: o.Type, ClientID: o.ClientID, TokenURL: o.TokenURL}
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"hashiCorpVault", s.HashiCorpVault != nil},
		{"azureKeyVault", s.AzureKeyVault != nil},
		{"gcpSecretManager", s.GCPSecretManager != nil},
		{"awsSecretManager", s.AwsSecretManager != nil},
		{"boundServiceAccountToken", len(s.BoundServiceAccountToken) > 0},
		{"filePath", s.FilePath != ""},
		{"oauth2", s.OAuth2 != nil},
	} {
		if f.set {
			a.Unsupported = append(a.Unsupported, f.name)
		}
	}
	return a
}

// FirstAuth converts a TriggerAuthentication of keda.k8s.io.
func FirstAuth(o *firstv1.TriggerAuthentication) *model.AuthSpec {
	s, a := &o.Spec, &model.AuthSpec{}
	for _, e := range s.SecretTargetRef {
		a.Secrets = append(a.Secrets, model.AuthKey(e))
	}
	for _, e := range s.Env {
		a.Env = append(a.Env, model.AuthEnv{Parameter: e.Parameter, Name: e.Name, Container: e.ContainerName})
	}
	if p := s.PodIdentity; p != nil {
		provider(a, p.Provider)
	}
	if s.HashiCorpVault != nil {
		a.Unsupported = append(a.Unsupported, "hashiCorpVault")
	}
	return a
}

// provider takes an identity's provider, or says what follows one that has ended.
func provider(a *model.AuthSpec, name string) {
	if what, retired := retiredProviders()[name]; retired {
		a.Retired = append(a.Retired, what)
		return
	}
	a.Identity = scaler.Identity{Provider: name}
	if name == providerEKS {
		a.Identity.Owner = "workload"
	}
}
