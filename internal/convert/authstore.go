package convert

import (
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

// stores converts the sections that take parameters from outside of the cluster.
func stores(a *model.AuthSpec, s *kedav1.TriggerAuthenticationSpec) {
	if v := s.HashiCorpVault; v != nil {
		a.Vault = vault(v)
	}
	if m := s.AwsSecretManager; m != nil {
		a.AWSSecrets = aws(m.Region, m.Credentials, m.PodIdentity)
		for _, e := range m.Secrets {
			a.AWSSecrets.Secrets = append(a.AWSSecrets.Secrets, model.AWSSecret{
				Parameter: e.Parameter, Name: e.Name, VersionID: e.VersionID, VersionStage: e.VersionStage, Key: e.SecretKey,
			})
		}
	}
	if m := s.AwsParameterStore; m != nil {
		a.AWSParameters = aws(m.Region, m.Credentials, m.PodIdentity)
		for _, e := range m.Parameters {
			a.AWSParameters.Secrets = append(a.AWSParameters.Secrets, model.AWSSecret{Parameter: e.Parameter, Name: e.Name, Version: e.Version, Key: e.Key})
		}
	}
	if v := s.AzureKeyVault; v != nil {
		a.KeyVault = keyVault(v)
	}
	if m := s.GCPSecretManager; m != nil {
		a.GCPSecrets = &model.AuthGCP{Identity: storeIdentity(m.PodIdentity)}
		if m.Credentials != nil {
			a.GCPSecrets.Key = secretValue(&m.Credentials.ClientSecret)
		}
		for _, e := range m.Secrets {
			a.GCPSecrets.Secrets = append(a.GCPSecrets.Secrets, model.StoredSecret{Parameter: e.Parameter, Name: e.ID, Version: e.Version})
		}
	}
}

func vault(v *kedav1.HashiCorpVault) *model.AuthVault {
	out := &model.AuthVault{Address: v.Address, Namespace: v.Namespace, Method: v.Authentication, Role: v.Role, Mount: v.Mount}
	if c := v.Credential; c != nil {
		out.Token, out.TokenFile, out.ServiceAccount = c.Token, c.ServiceAccount, c.ServiceAccountName
		if c.TokenFrom != nil {
			out.TokenFrom = &model.SecretKey{Name: c.TokenFrom.SecretKeyRef.Name, Key: c.TokenFrom.SecretKeyRef.Key}
		}
	}
	for _, e := range v.Secrets {
		secret := model.VaultSecret{Parameter: e.Parameter, Path: e.Path, Key: e.Key, Type: e.Type}
		if e.PkiData != nil {
			secret.PKI = model.VaultPKI(*e.PkiData)
		}
		out.Secrets = append(out.Secrets, secret)
	}
	return out
}

func aws(region string, c *kedav1.AwsSecretManagerCredentials, p *kedav1.AuthPodIdentity) *model.AuthAWS {
	out := &model.AuthAWS{Region: region, Identity: storeIdentity(p)}
	if c != nil {
		out.AccessKey, out.SecretKey, out.SessionToken = secretValue(&c.AccessKey), secretValue(&c.AccessSecretKey), secretValue(c.AccessToken)
	}
	return out
}

func keyVault(v *kedav1.AzureKeyVault) *model.AuthKeyVault {
	out := &model.AuthKeyVault{URL: v.VaultURI, Identity: storeIdentity(v.PodIdentity)}
	if c := v.Cloud; c != nil {
		out.Cloud, out.ResourceURL, out.AuthorityHost = c.Type, c.KeyVaultResourceURL, c.ActiveDirectoryEndpoint
	}
	if c := v.Credentials; c != nil {
		out.ClientID, out.TenantID, out.ClientSecret = c.ClientID, c.TenantID, secretValue(&c.ClientSecret)
	}
	for _, e := range v.Secrets {
		out.Secrets = append(out.Secrets, model.StoredSecret(e))
	}
	return out
}

// storeIdentity is a section's own podIdentity. The schema refuses retired
// providers.
func storeIdentity(p *kedav1.AuthPodIdentity) scaler.Identity {
	if p == nil {
		return scaler.Identity{}
	}
	return detail(identityOf(p.Provider), p)
}

func secretValue(v *kedav1.SecretValue) *model.SecretKey {
	if v == nil {
		return nil
	}
	return &model.SecretKey{Name: v.ValueFrom.SecretKeyRef.Name, Key: v.ValueFrom.SecretKeyRef.Key}
}
