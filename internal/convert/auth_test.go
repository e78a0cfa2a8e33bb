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
		"OAuth 2": {"oauth2: {type: clientCredentials, clientId: c, tokenUrl: https://t}", func(a *model.AuthSpec) {
			a.OAuth2 = &model.AuthOAuth2{Type: "clientCredentials", ClientID: "c", TokenURL: "https://t"}
			a.Unsupported = []string{"oauth2"}
		}},
		"what is not supported yet": {`hashiCorpVault: {address: a, authentication: token, secrets: []}
  azureKeyVault: {vaultUri: v, secrets: []}
  gcpSecretManager: {secrets: []}
  awsSecretManager: {secrets: []}
  boundServiceAccountToken: [{parameter: p, serviceAccountName: s}]
  filePath: /f`, func(a *model.AuthSpec) {
			a.Unsupported = []string{"hashiCorpVault", "azureKeyVault", "gcpSecretManager", "awsSecretManager", "boundServiceAccountToken", "filePath"}
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			want := want
			tt.change(&want)
			text := "spec:" + spec + "  " + tt.more + "\n"
			compare(t, "TriggerAuthentication", &want, Auth(read[kedav1.TriggerAuthentication](t, text)))
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
  hashiCorpVault: {address: a, authentication: token, secrets: []}
`))
	compare(t, "spec", &model.AuthSpec{
		Identity:    scaler.Identity{Provider: "aws-eks", Owner: "workload"},
		Secrets:     []model.AuthKey{{Parameter: "password", Name: "s", Key: "k"}},
		Env:         []model.AuthEnv{{Parameter: "user", Name: "USER", Container: "main"}},
		Unsupported: []string{"hashiCorpVault"},
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
