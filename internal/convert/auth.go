package convert

import (
	"strings"

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
func ClusterAuth(o *kedav1.ClusterTriggerAuthentication) *model.AuthSpec {
	a := authSpec(&o.Spec)
	a.ClusterWide = true
	if text, ok := o.Annotations[model.AllowedHostsAnnotation]; ok {
		a.Hosts = &model.Hosts{List: strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) })}
	}
	return a
}

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
		identity(a, p)
		a.EmptyIdentityID = p.IdentityID != nil && *p.IdentityID == ""
	}
	a.FilePath = s.FilePath
	for _, e := range s.BoundServiceAccountToken {
		a.Tokens = append(a.Tokens, model.AuthToken{Parameter: e.Parameter, ServiceAccount: e.ServiceAccountName})
	}
	if o := s.OAuth2; o != nil {
		a.OAuth2 = &model.AuthOAuth2{
			Type: o.Type, ClientID: o.ClientID, TokenURL: o.TokenURL, ClientSecret: secretValue(o.ClientSecret),
			Scopes: o.Scopes, Params: o.TokenURLParams,
		}
	}
	stores(a, s)
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
	if v := s.HashiCorpVault; v != nil {
		a.Vault = &model.AuthVault{Address: v.Address, Method: v.Authentication, Role: v.Role, Mount: v.Mount}
		if c := v.Credential; c != nil {
			a.Vault.Token, a.Vault.TokenFile = c.Token, c.ServiceAccount
		}
		for _, e := range v.Secrets {
			a.Vault.Secrets = append(a.Vault.Secrets, model.VaultSecret{Parameter: e.Parameter, Path: e.Path, Key: e.Key})
		}
	}
	return a
}

// identity takes an identity with all that says which.
func identity(a *model.AuthSpec, p *kedav1.AuthPodIdentity) {
	provider(a, p.Provider)
	a.Identity = detail(a.Identity, p)
}

func detail(id scaler.Identity, p *kedav1.AuthPodIdentity) scaler.Identity {
	id.ID, id.TenantID, id.AuthorityHost = or(p.IdentityID, ""), p.IdentityTenantID, p.IdentityAuthorityHost
	id.RoleARN, id.ExternalID = p.RoleArn, p.ExternalID
	id.Owner = orText(p.IdentityOwner, id.Owner)
	return id
}

// provider takes an identity's provider, or says what follows one that has ended.
func provider(a *model.AuthSpec, name string) {
	if what, retired := retiredProviders()[name]; retired {
		a.Retired = append(a.Retired, what)
		return
	}
	a.Identity = identityOf(name)
}

func identityOf(provider string) scaler.Identity {
	id := scaler.Identity{Provider: provider}
	if provider == providerEKS {
		id.Owner = "workload"
	}
	return id
}
