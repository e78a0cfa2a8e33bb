package lint

import (
	"fmt"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// stores checks the sections that take parameters from outside of the cluster.
func stores(a *model.AuthSpec, ps *param.Problems) {
	if a.Vault != nil {
		vault(a.Vault, ps)
	}
	for _, s := range []struct {
		field, list string
		part        *model.AuthAWS
	}{
		{"spec.awsSecretManager", ".secrets", a.AWSSecrets},
		{"spec.awsParameterStore", ".parameters", a.AWSParameters},
	} {
		if s.part != nil {
			aws(s.field, s.field+s.list, s.part, ps)
		}
	}
	if a.KeyVault != nil {
		keyVault(a.KeyVault, ps)
	}
	if m := a.GCPSecrets; m != nil {
		const field = "spec.gcpSecretManager"
		login(field, m.Identity, m.Key != nil, ps, "gcp")
		secretKey(field+".credentials.clientSecret", m.Key, ps)
		stored(field+".secrets", ".id", m.Secrets, ps)
	}
}

func vault(v *model.AuthVault, ps *param.Problems) {
	const field = "spec.hashiCorpVault"
	if !address(v.Address, "http", "https") {
		ps.Errorf(field+".address", "is missing or malformed; expected an address such as https://vault.example.org:8200")
	}
	switch v.Method {
	case model.VaultToken:
		vaultToken(field+".credential", v, ps)
	case model.VaultKubernetes:
		required(field+".role", v.Role, "the role to log in as", ps)
		required(field+".mount", v.Mount, "where the login method is mounted, such as kubernetes", ps)
		switch {
		case v.TokenFile == "" && v.ServiceAccount == "":
			ps.Errorf(field+".credential", "has neither serviceAccountName nor serviceAccount; expected one of them")
		case v.TokenFile != "" && v.ServiceAccount != "":
			ps.Warnf(field+".credential.serviceAccount", "is not used, since there is a serviceAccountName")
		}
	}
	for i, s := range v.Secrets {
		path := fmt.Sprintf("%s.secrets[%d]", field, i)
		required(path+".parameter", s.Parameter, "the trigger's parameter that it gives", ps)
		required(path+".path", s.Path, "the path of a secret", ps)
		required(path+".key", s.Key, "a key of the secret", ps)
		switch {
		case s.Type != model.VaultTypePKI && s.PKI != (model.VaultPKI{}):
			ps.Warnf(path+".pkiData", "is not used, since type is not pki")
		case s.Type == model.VaultTypePKI && s.PKI.CommonName == "" && s.PKI.AltNames == "" && s.PKI.URISans == "" && s.PKI.IPSans == "":
			ps.Warnf(path+".pkiData", "names nobody; a certificate usually needs a commonName")
		}
	}
}

func vaultToken(path string, v *model.AuthVault, ps *param.Problems) {
	if k := v.TokenFrom; k != nil {
		required(path+".tokenFrom.secretKeyRef.name", k.Name, "the name of a Secret", ps)
		required(path+".tokenFrom.secretKeyRef.key", k.Key, "a key of the Secret", ps)
	}
	switch {
	case v.Token != "" && v.TokenFrom != nil:
		ps.Warnf(path+".token", "is not used, since there is a tokenFrom")
	case v.Token != "":
		ps.Warnf(path+".token", "can be read by whoever can read this object; better keep it in a Secret and name that in tokenFrom")
	case v.TokenFrom == nil:
		ps.Warnf(path, "has no token; only the operator's own token for its own Vault would do")
	}
}

func aws(field, list string, m *model.AuthAWS, ps *param.Problems) {
	login(field, m.Identity, m.AccessKey != nil && m.SecretKey != nil, ps, "aws", "aws-eks")
	if m.Identity.RoleARN != "" && m.Identity.Owner == "workload" {
		ps.Errorf(field+".podIdentity.roleArn", "can't be used with identityOwner workload, whose role comes from its service account; expected one of them")
	}
	secretKey(field+".credentials.accessKey", m.AccessKey, ps)
	secretKey(field+".credentials.accessSecretKey", m.SecretKey, ps)
	secretKey(field+".credentials.accessToken", m.SessionToken, ps)
	if m.Region == "" {
		ps.Warnf(field+".region", "is missing; then it is the operator's AWS_REGION, if that is set")
	}
	for i, s := range m.Secrets {
		path := fmt.Sprintf("%s[%d]", list, i)
		required(path+".parameter", s.Parameter, "the trigger's parameter that it gives", ps)
		required(path+".name", s.Name, "a name or an ARN", ps)
	}
}

func keyVault(v *model.AuthKeyVault, ps *param.Problems) {
	const field = "spec.azureKeyVault"
	if !address(v.URL, "https") {
		ps.Errorf(field+".vaultUri", "is missing or malformed; expected an address such as https://name.vault.azure.net")
	}
	login(field, v.Identity, v.ClientSecret != nil, ps, "azure-workload")
	if v.ClientSecret != nil {
		required(field+".credentials.clientId", v.ClientID, "the application's ID", ps)
		required(field+".credentials.tenantId", v.TenantID, "the application's tenant", ps)
		secretKey(field+".credentials.clientSecret", v.ClientSecret, ps)
	}
	stored(field+".secrets", ".name", v.Secrets, ps)
}

// login checks that somebody asks, and that the identity is of the right cloud.
func login(field string, id scaler.Identity, credentials bool, ps *param.Problems, providers ...string) {
	switch id.Provider {
	case "", "none":
		if !credentials {
			ps.Errorf(field, "has neither podIdentity nor credentials; expected one of them")
		}
		return
	case providers[0], providers[len(providers)-1]:
		if credentials {
			ps.Warnf(field+".credentials", "is not used, since there is a podIdentity")
		}
		return
	}
	ps.Errorf(field+".podIdentity.provider", "found %q, which is of no use here; expected %s", id.Provider, providers[0])
}

func stored(list, name string, secrets []model.StoredSecret, ps *param.Problems) {
	for i, s := range secrets {
		path := fmt.Sprintf("%s[%d]", list, i)
		required(path+".parameter", s.Parameter, "the trigger's parameter that it gives", ps)
		required(path+name, s.Name, "the name of a secret", ps)
	}
}

// secretKey checks a reference to a Secret, if there is one.
func secretKey(path string, k *model.SecretKey, ps *param.Problems) {
	if k == nil {
		return
	}
	required(path+".valueFrom.secretKeyRef.name", k.Name, "the name of a Secret", ps)
	required(path+".valueFrom.secretKeyRef.key", k.Key, "a key of the Secret", ps)
}
