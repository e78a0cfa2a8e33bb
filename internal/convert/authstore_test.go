package convert

import (
	"testing"

	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

func TestStores(t *testing.T) {
	tests := map[string]struct {
		spec string
		want model.AuthSpec
	}{
		"Vault": {`hashiCorpVault:
    address: https://v:8200
    namespace: ns
    authentication: kubernetes
    role: r
    mount: m
    credential: {token: t, tokenFrom: {secretKeyRef: {name: s, key: k}}, serviceAccount: /f, serviceAccountName: a}
    secrets:
      - {parameter: p, path: secret/data/x, key: field, type: secretV2}
      - {parameter: c, path: pki/issue/r, key: certificate, type: pki, pkiData: {commonName: cn, altNames: an, ipSans: i, uriSans: u, otherSans: o, ttl: 1h, format: pem}}`,
			model.AuthSpec{Vault: &model.AuthVault{
				Address: "https://v:8200", Namespace: "ns", Method: "kubernetes", Role: "r", Mount: "m",
				Token: "t", TokenFrom: &model.SecretKey{Name: "s", Key: "k"}, TokenFile: "/f", ServiceAccount: "a",
				Secrets: []model.VaultSecret{
					{Parameter: "p", Path: "secret/data/x", Key: "field", Type: "secretV2"},
					{Parameter: "c", Path: "pki/issue/r", Key: "certificate", Type: "pki", PKI: model.VaultPKI{CommonName: "cn", AltNames: "an", IPSans: "i", URISans: "u", OtherSans: "o", TTL: "1h", Format: "pem"}},
				},
			}}},
		"AWS Secrets Manager": {`awsSecretManager:
    region: eu-west-1
    credentials: {accessKey: {valueFrom: {secretKeyRef: {name: s, key: id}}}, accessSecretKey: {valueFrom: {secretKeyRef: {name: s, key: secret}}}, accessToken: {valueFrom: {secretKeyRef: {name: s, key: token}}}}
    podIdentity: {provider: aws, roleArn: r, externalID: e}
    secrets: [{parameter: p, name: item, versionId: i, versionStage: g, secretKey: k}]`,
			model.AuthSpec{AWSSecrets: &model.AuthAWS{
				Region: "eu-west-1", AccessKey: &model.SecretKey{Name: "s", Key: "id"}, SecretKey: &model.SecretKey{Name: "s", Key: "secret"}, SessionToken: &model.SecretKey{Name: "s", Key: "token"},
				Identity: scaler.Identity{Provider: "aws", RoleARN: "r", ExternalID: "e"},
				Secrets:  []model.AWSSecret{{Parameter: "p", Name: "item", VersionID: "i", VersionStage: "g", Key: "k"}},
			}}},
		"AWS Parameter Store": {`awsParameterStore:
    region: eu-west-1
    podIdentity: {provider: aws-eks}
    parameters: [{parameter: p, name: /n, version: "3", key: k}]`,
			model.AuthSpec{AWSParameters: &model.AuthAWS{
				Region: "eu-west-1", Identity: scaler.Identity{Provider: "aws-eks", Owner: "workload"},
				Secrets: []model.AWSSecret{{Parameter: "p", Name: "/n", Version: "3", Key: "k"}},
			}}},
		"Azure Key Vault": {`azureKeyVault:
    vaultUri: https://v.vault.azure.net
    cloud: {type: Private, keyVaultResourceURL: https://r, activeDirectoryEndpoint: https://a}
    credentials: {clientId: c, tenantId: t, clientSecret: {valueFrom: {secretKeyRef: {name: s, key: k}}}}
    podIdentity: {provider: azure-workload, identityId: i}
    secrets: [{parameter: p, name: item, version: v}]`,
			model.AuthSpec{KeyVault: &model.AuthKeyVault{
				URL: "https://v.vault.azure.net", Cloud: "Private", ResourceURL: "https://r", AuthorityHost: "https://a",
				ClientID: "c", TenantID: "t", ClientSecret: &model.SecretKey{Name: "s", Key: "k"},
				Identity: scaler.Identity{Provider: "azure-workload", ID: "i"},
				Secrets:  []model.StoredSecret{{Parameter: "p", Name: "item", Version: "v"}},
			}}},
		"Google Secret Manager": {`gcpSecretManager:
    credentials: {clientSecret: {valueFrom: {secretKeyRef: {name: s, key: k}}}}
    podIdentity: {provider: gcp}
    secrets: [{parameter: p, id: item, version: "2"}]`,
			model.AuthSpec{GCPSecrets: &model.AuthGCP{
				Key: &model.SecretKey{Name: "s", Key: "k"}, Identity: scaler.Identity{Provider: "gcp"},
				Secrets: []model.StoredSecret{{Parameter: "p", Name: "item", Version: "2"}},
			}}},
		"as little as can be": {`hashiCorpVault: {address: a, authentication: token, secrets: []}
  awsSecretManager: {secrets: []}
  awsParameterStore: {parameters: []}
  azureKeyVault: {vaultUri: v, secrets: []}
  gcpSecretManager: {secrets: []}`,
			model.AuthSpec{
				Vault: &model.AuthVault{Address: "a", Method: "token"}, AWSSecrets: &model.AuthAWS{}, AWSParameters: &model.AuthAWS{},
				KeyVault: &model.AuthKeyVault{URL: "v"}, GCPSecrets: &model.AuthGCP{},
			}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := "spec:\n  " + tt.spec + "\n"
			compare(t, "TriggerAuthentication", &tt.want, Auth(read[kedav1.TriggerAuthentication](t, text)))
			tt.want.ClusterWide = true
			compare(t, "ClusterTriggerAuthentication", &tt.want, ClusterAuth(read[kedav1.ClusterTriggerAuthentication](t, text)))
		})
	}
}
