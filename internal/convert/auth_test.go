package convert

import (
	"strings"
	"testing"

	firstv1 "github.com/kedago/keda/api/keda.k8s.io/v1alpha1"
	kedav1 "github.com/kedago/keda/api/keda.sh/v1alpha1"
	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
)

func TestAuth(t *testing.T) {
	const spec = `
  secretTargetRef: [{parameter: password, name: s, key: k}]
  configMapTargetRef: [{parameter: ca, name: c, key: ca.crt}]
  env: [{parameter: user, name: USER, containerName: main}]
`
	want := model.AuthSpec{
		Secrets:    []model.AuthKey{{Parameter: "password", Name: "s", Key: "k"}},
		ConfigMaps: []model.AuthKey{{Parameter: "ca", Name: "c", Key: "ca.crt"}},
		Env:        []model.AuthEnv{{Parameter: "user", Name: "USER", Container: "main"}},
	}
	tests := map[string]struct {
		more   string
		change func(*model.AuthSpec)
	}{
		"references only": {"", func(*model.AuthSpec) {}},
		"no identity":     {"podIdentity: {provider: none}", func(a *model.AuthSpec) { a.Identity.Provider = "none" }},
		"Azure": {"podIdentity: {provider: azure-workload, identityId: id, identityTenantId: t, identityAuthorityHost: h}", func(a *model.AuthSpec) {
			a.Identity = scaler.Identity{Provider: "azure-workload", ID: "id", TenantID: "t", AuthorityHost: "h"}
		}},
		"an empty ID": {`podIdentity: {provider: azure-workload, identityId: ""}`, func(a *model.AuthSpec) {
			a.Identity.Provider, a.EmptyIdentityID = "azure-workload", true
		}},
		"AWS": {"podIdentity: {provider: aws, roleArn: r, externalID: e}", func(a *model.AuthSpec) {
			a.Identity = scaler.Identity{Provider: "aws", RoleARN: "r", ExternalID: "e"}
		}},
		"AWS by the workload": {"podIdentity: {provider: aws, identityOwner: workload}", func(a *model.AuthSpec) {
			a.Identity = scaler.Identity{Provider: "aws", Owner: "workload"}
		}},
		"EKS":           {"podIdentity: {provider: aws-eks}", func(a *model.AuthSpec) { a.Identity = scaler.Identity{Provider: "aws-eks", Owner: "workload"} }},
		"EKS, but ours": {"podIdentity: {provider: aws-eks, identityOwner: keda}", func(a *model.AuthSpec) { a.Identity = scaler.Identity{Provider: "aws-eks", Owner: "keda"} }},
		"OAuth 2": {"oauth2: {type: clientCredentials, clientId: c, clientSecret: {valueFrom: {secretKeyRef: {name: s, key: k}}}, tokenUrl: https://t, scopes: [a, b], tokenUrlParams: {audience: x}}", func(a *model.AuthSpec) {
			a.OAuth2 = &model.AuthOAuth2{
				Type: "clientCredentials", ClientID: "c", ClientSecret: &model.SecretKey{Name: "s", Key: "k"}, TokenURL: "https://t",
				Scopes: []string{"a", "b"}, Params: map[string]string{"audience": "x"},
			}
		}},
		"OAuth 2 without a secret": {"oauth2: {type: clientCredentials, clientId: c, tokenUrl: https://t}", func(a *model.AuthSpec) {
			a.OAuth2 = &model.AuthOAuth2{Type: "clientCredentials", ClientID: "c", TokenURL: "https://t"}
		}},
		"a file and tokens": {"filePath: f.json\n  boundServiceAccountToken: [{parameter: p, serviceAccountName: s}]", func(a *model.AuthSpec) {
			a.FilePath, a.Tokens = "f.json", []model.AuthToken{{Parameter: "p", ServiceAccount: "s"}}
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := want
			tt.change(&want)
			text := "spec:" + spec + "  " + tt.more + "\n"
			compare(t, "TriggerAuthentication", &want, Auth(read[kedav1.TriggerAuthentication](t, text)))
			want.ClusterWide = true
			compare(t, "ClusterTriggerAuthentication", &want, ClusterAuth(read[kedav1.ClusterTriggerAuthentication](t, text)))
		})
	}
}

func TestFirstAuth(t *testing.T) {
	got := FirstAuth(read[firstv1.TriggerAuthentication](t, `
spec:
  podIdentity: {provider: aws-eks}
  secretTargetRef: [{parameter: password, name: s, key: k}]
  env: [{parameter: user, name: USER, containerName: main}]
  hashiCorpVault: {address: a, authentication: kubernetes, role: r, mount: m, credential: {token: t, serviceAccount: f}, secrets: [{parameter: p, path: s/d, key: k}]}
`))
	compare(t, "spec", &model.AuthSpec{
		Identity: scaler.Identity{Provider: "aws-eks", Owner: "workload"},
		Secrets:  []model.AuthKey{{Parameter: "password", Name: "s", Key: "k"}},
		Env:      []model.AuthEnv{{Parameter: "user", Name: "USER", Container: "main"}},
		Vault: &model.AuthVault{
			Address: "a", Method: "kubernetes", Role: "r", Mount: "m", Token: "t", TokenFile: "f",
			Secrets: []model.VaultSecret{{Parameter: "p", Path: "s/d", Key: "k"}},
		},
	}, got)
}

// TestRetired: what has ended is named with what follows it, and gives no identity.
func TestRetired(t *testing.T) {
	for provider, successor := range map[string]string{"azure": "azure-workload", "aws-kiam": "aws-eks", "spiffe": "secretTargetRef"} {
		first := FirstAuth(&firstv1.TriggerAuthentication{Spec: firstv1.TriggerAuthenticationSpec{PodIdentity: &firstv1.AuthPodIdentity{Provider: provider}}})
		today := Auth(&kedav1.TriggerAuthentication{Spec: kedav1.TriggerAuthenticationSpec{PodIdentity: &kedav1.AuthPodIdentity{Provider: provider}}})
		for _, a := range []*model.AuthSpec{first, today} {
			if len(a.Retired) != 1 || !strings.HasPrefix(a.Retired[0], provider+", ") || !strings.Contains(a.Retired[0], successor) {
				t.Errorf("%s: retired %q; expected a sentence with %s", provider, a.Retired, successor)
			}
			compare(t, "identity of "+provider, scaler.Identity{}, a.Identity)
		}
	}
}
