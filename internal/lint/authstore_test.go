package lint

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

func TestStores(t *testing.T) {
	kept := &model.SecretKey{Name: "s", Key: "k"}
	vaultOf := func(change func(*model.AuthVault)) model.AuthSpec {
		v := &model.AuthVault{
			Address: "https://v:8200", Method: "kubernetes", Role: "r", Mount: "m", ServiceAccount: "a",
			Secrets: []model.VaultSecret{{Parameter: "p", Path: "secret/data/x", Key: "k"}},
		}
		change(v)
		return model.AuthSpec{Vault: v}
	}
	awsOf := func(change func(*model.AuthAWS)) *model.AuthAWS {
		m := &model.AuthAWS{Region: "eu-west-1", AccessKey: kept, SecretKey: kept, Secrets: []model.AWSSecret{{Parameter: "p", Name: "n"}}}
		change(m)
		return m
	}
	keyVaultOf := func(change func(*model.AuthKeyVault)) model.AuthSpec {
		v := &model.AuthKeyVault{URL: "https://n.vault.azure.net", ClientID: "c", TenantID: "t", ClientSecret: kept, Secrets: []model.StoredSecret{{Parameter: "p", Name: "n"}}}
		change(v)
		return model.AuthSpec{KeyVault: v}
	}
	byToken := func(token string, from *model.SecretKey) func(*model.AuthVault) {
		return func(v *model.AuthVault) {
			v.Method, v.Role, v.Mount, v.ServiceAccount, v.Token, v.TokenFrom = "token", "", "", "", token, from
		}
	}
	const vault, aws, azure, gcp = "spec.hashiCorpVault", "spec.awsSecretManager", "spec.azureKeyVault", "spec.gcpSecretManager"
	tests := map[string]struct {
		spec model.AuthSpec
		want []string
	}{
		"Vault":                          {vaultOf(func(*model.AuthVault) {}), nil},
		"Vault by a file":                {vaultOf(func(v *model.AuthVault) { v.ServiceAccount, v.TokenFile = "", "/f" }), nil},
		"Vault by a kept token":          {vaultOf(byToken("", kept)), nil},
		"Vault by a written token":       {vaultOf(byToken("t", nil)), []string{"warning: " + vault + ".credential.token: can be read by whoever can read this object; better keep it in a Secret and name that in tokenFrom"}},
		"Vault by two tokens":            {vaultOf(byToken("t", kept)), []string{"warning: " + vault + ".credential.token: is not used, since there is a tokenFrom"}},
		"Vault by no token":              {vaultOf(byToken("", nil)), []string{"warning: " + vault + ".credential: has no token; only the operator's own token for its own Vault would do"}},
		"Vault by a token without a key": {vaultOf(byToken("", &model.SecretKey{Name: "s"})), []string{"error: " + vault + ".credential.tokenFrom.secretKeyRef.key: is missing; expected a key of the Secret"}},
		"Vault without anything": {model.AuthSpec{Vault: &model.AuthVault{Address: "v:8200", Method: "kubernetes", Secrets: []model.VaultSecret{{}}}}, []string{
			"error: " + vault + ".address: is missing or malformed; expected an address such as https://vault.example.org:8200",
			"error: " + vault + ".role: is missing; expected the role to log in as",
			"error: " + vault + ".mount: is missing; expected where the login method is mounted, such as kubernetes",
			"error: " + vault + ".credential: has neither serviceAccountName nor serviceAccount; expected one of them",
			"error: " + vault + ".secrets[0].parameter: is missing; expected the trigger's parameter that it gives",
			"error: " + vault + ".secrets[0].path: is missing; expected the path of a secret",
			"error: " + vault + ".secrets[0].key: is missing; expected a key of the secret",
		}},
		"Vault by two accounts": {vaultOf(func(v *model.AuthVault) { v.TokenFile = "/f" }), []string{"warning: " + vault + ".credential.serviceAccount: is not used, since there is a serviceAccountName"}},
		"a certificate for nobody": {vaultOf(func(v *model.AuthVault) { v.Secrets[0].Type = "pki" }), []string{
			"warning: " + vault + ".secrets[0].pkiData: names nobody; a certificate usually needs a commonName",
		}},
		"pkiData without pki": {vaultOf(func(v *model.AuthVault) { v.Secrets[0].PKI.TTL = "1h" }), []string{"warning: " + vault + ".secrets[0].pkiData: is not used, since type is not pki"}},
		"AWS": {model.AuthSpec{AWSSecrets: awsOf(func(*model.AuthAWS) {}), AWSParameters: awsOf(func(m *model.AuthAWS) {
			m.AccessKey, m.SecretKey, m.Identity = nil, nil, scaler.Identity{Provider: "aws-eks"}
		})}, nil},
		"AWS without anything": {model.AuthSpec{AWSParameters: &model.AuthAWS{Secrets: []model.AWSSecret{{}}}}, []string{
			"error: spec.awsParameterStore: has neither podIdentity nor credentials; expected one of them",
			"warning: spec.awsParameterStore.region: is missing; then it is the operator's AWS_REGION, if that is set",
			"error: spec.awsParameterStore.parameters[0].parameter: is missing; expected the trigger's parameter that it gives",
			"error: spec.awsParameterStore.parameters[0].name: is missing; expected a name or an ARN",
		}},
		"AWS by both": {model.AuthSpec{AWSSecrets: awsOf(func(m *model.AuthAWS) { m.Identity.Provider = "aws" })}, []string{"warning: " + aws + ".credentials: is not used, since there is a podIdentity"}},
		"AWS by two roles": {model.AuthSpec{AWSSecrets: awsOf(func(m *model.AuthAWS) {
			m.AccessKey, m.Identity = nil, scaler.Identity{Provider: "aws", RoleARN: "r", Owner: "workload"}
		})}, []string{"error: " + aws + ".podIdentity.roleArn: can't be used with identityOwner workload, whose role comes from its service account; expected one of them"}},
		"AWS as Google": {model.AuthSpec{AWSSecrets: awsOf(func(m *model.AuthAWS) { m.Identity.Provider = "gcp" })}, []string{`error: ` + aws + `.podIdentity.provider: found "gcp", which is of no use here; expected aws`}},
		"Key Vault":     {keyVaultOf(func(*model.AuthKeyVault) {}), nil},
		"Key Vault by an identity": {keyVaultOf(func(v *model.AuthKeyVault) {
			v.ClientID, v.TenantID, v.ClientSecret, v.Identity.Provider = "", "", nil, "azure-workload"
		}), nil},
		"Key Vault without anything": {model.AuthSpec{KeyVault: &model.AuthKeyVault{URL: "http://n", ClientSecret: &model.SecretKey{}, Secrets: []model.StoredSecret{{}}}}, []string{
			"error: " + azure + ".vaultUri: is missing or malformed; expected an address such as https://name.vault.azure.net",
			"error: " + azure + ".credentials.clientId: is missing; expected the application's ID",
			"error: " + azure + ".credentials.tenantId: is missing; expected the application's tenant",
			"error: " + azure + ".credentials.clientSecret.valueFrom.secretKeyRef.name: is missing; expected the name of a Secret",
			"error: " + azure + ".credentials.clientSecret.valueFrom.secretKeyRef.key: is missing; expected a key of the Secret",
			"error: " + azure + ".secrets[0].parameter: is missing; expected the trigger's parameter that it gives",
			"error: " + azure + ".secrets[0].name: is missing; expected the name of a secret",
		}},
		"Google": {model.AuthSpec{GCPSecrets: &model.AuthGCP{Key: kept, Secrets: []model.StoredSecret{{Parameter: "p", Name: "n"}}}}, nil},
		"Google without anything": {model.AuthSpec{GCPSecrets: &model.AuthGCP{Secrets: []model.StoredSecret{{}}}}, []string{
			"error: " + gcp + ": has neither podIdentity nor credentials; expected one of them",
			"error: " + gcp + ".secrets[0].parameter: is missing; expected the trigger's parameter that it gives",
			"error: " + gcp + ".secrets[0].id: is missing; expected the name of a secret",
		}},
		"tokens": {model.AuthSpec{Tokens: []model.AuthToken{{Parameter: "p", ServiceAccount: "s"}, {}}}, []string{
			"error: spec.boundServiceAccountToken[1].parameter: is missing; expected the trigger's parameter that it gives",
			"error: spec.boundServiceAccountToken[1].serviceAccountName: is missing; expected the name of a service account",
		}},
		"a file": {model.AuthSpec{ClusterWide: true, FilePath: "a/b.json"}, nil},
		"a file of a namespace": {model.AuthSpec{FilePath: "a/b.json"}, []string{
			"error: spec.filePath: is for ClusterTriggerAuthentications only, since whose the operator's files are is not known; expected secretTargetRef instead",
		}},
		"a file elsewhere": {model.AuthSpec{ClusterWide: true, FilePath: "a/../../b.json"}, []string{
			`error: spec.filePath: found "a/../../b.json"; expected a path below the operator's --filepath-auth-root-path, such as queue/credentials.json`,
		}},
		"a client's secret": {model.AuthSpec{OAuth2: &model.AuthOAuth2{ClientID: "c", TokenURL: "https://t", ClientSecret: &model.SecretKey{Name: "s"}}}, []string{
			"error: spec.oauth2.clientSecret.valueFrom.secretKeyRef.key: is missing; expected a key of the Secret",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, lines(Auth(&tt.spec))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
