package secret

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// accounts are service accounts by "namespace/name", with their annotations.
type accounts map[string]map[string]string

func (a accounts) find(namespace, name string) (map[string]string, error) {
	resource := schema.GroupResource{Resource: "serviceaccounts"}
	if name == "forbidden" {
		return nil, apierrors.NewForbidden(resource, name, errors.New("the rule"))
	}
	got, ok := a[namespace+"/"+name]
	if !ok {
		return nil, apierrors.NewNotFound(resource, name)
	}
	return got, nil
}

func (a accounts) Annotations(_ context.Context, namespace, name string) (map[string]string, error) {
	return a.find(namespace, name)
}

func (a accounts) Token(_ context.Context, namespace, name string) (param.Hidden, time.Duration, error) {
	if _, err := a.find(namespace, name); err != nil {
		return param.Hidden{}, 0, err
	}
	return param.Hide(hidden + "-of-" + namespace + "/" + name), time.Hour, nil
}

// outdoors is an External over one shelf that records how it was opened.
type outdoors struct {
	External
	shelf  *shelf
	opened []string
}

func newOutdoors(t *testing.T, answers map[string]Fetched) *outdoors {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{"creds.json": `{"password":"` + hidden + `"}`, "token": jwt("system:serviceaccount:ns:sa")} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := &outdoors{shelf: &shelf{answers: answers}}
	o.Cache = newBench(t).Cache
	o.Files = Files{Root: root}
	o.ServiceAccounts = accounts{
		"default/app": {roleAnnotation: "arn:aws:iam::111122223333:role/app"}, "default/default": {roleAnnotation: "arn:aws:iam::111122223333:role/default"},
		"default/plain": {}, "keda/shared": {},
	}
	note := func(format string, args ...any) (Store, error) {
		o.opened = append(o.opened, fmt.Sprintf(format, args...))
		return o.shelf.open()
	}
	o.OpenVault = func(a VaultAccess) (Store, error) {
		login := "token " + a.Token.Reveal()
		if a.JWT != nil {
			got, err := a.JWT(t.Context())
			login = strings.ReplaceAll(fmt.Sprintf("jwt %s %v", got.Reveal(), err), jwt("system:serviceaccount:ns:sa"), "(file)")
		}
		return note("Vault %s %s role=%s mount=%s %s", a.Address, a.Namespace, a.Role, a.Mount, login)
	}
	awsOpen := func(service string) func(AWSAccess) (Store, error) {
		return func(a AWSAccess) (Store, error) {
			return note("%s %s keys=%s/%s/%s %+v", service, a.Region, a.KeyID.Reveal(), a.Secret.Reveal(), a.Session.Reveal(), a.Identity)
		}
	}
	o.OpenAWSSecrets, o.OpenAWSParameters = awsOpen("SecretsManager"), awsOpen("ParameterStore")
	o.OpenKeyVault = func(a KeyVaultAccess) (Store, error) {
		return note("KeyVault %s %s %s %s %s/%s/%s %+v", a.URL, a.Cloud, a.ResourceURL, a.AuthorityHost, a.TenantID, a.ClientID, a.ClientSecret.Reveal(), a.Identity)
	}
	o.OpenGCPSecrets = func(a GCPAccess) (Store, error) { return note("GCP %s %+v", a.Key.Reveal(), a.Identity) }
	return o
}

func key(name, key string) *model.SecretKey { return &model.SecretKey{Name: name, Key: key} }

func awsAuth(id scaler.Identity) *model.AuthAWS {
	return &model.AuthAWS{Region: "eu-west-1", Identity: id, Secrets: []model.AWSSecret{{Parameter: "password", Name: "db", Key: "pw", VersionID: "7", VersionStage: "S"}}}
}

func withKeys(a *model.AuthAWS) *model.AuthAWS {
	a.AccessKey, a.SecretKey, a.SessionToken = key("keys", "id"), key("keys", "secret"), key("keys", "session")
	return a
}

func keyVaultAuth(id scaler.Identity, secret *model.SecretKey) *model.AuthKeyVault {
	return &model.AuthKeyVault{URL: "https://v", Cloud: "c", ResourceURL: "r", AuthorityHost: "a", ClientID: "client", TenantID: "tenant", ClientSecret: secret, Identity: id,
		Secrets: []model.StoredSecret{{Parameter: "password", Name: "db", Version: "2"}}}
}

func vaultAuth(change func(*model.AuthVault)) *model.AuthVault {
	v := &model.AuthVault{Address: "https://v", Namespace: "team", Method: "kubernetes", Role: "r", Mount: "m", Secrets: []model.VaultSecret{{Parameter: "password", Path: "db", Key: "pw"}}}
	change(v)
	return v
}

func TestExternal(t *testing.T) {
	const at = "spec.triggers[1].authenticationRef: "
	const gives = `error: ` + at + `the TriggerAuthentication "creds" can't give what it takes from `
	workloadRole := scaler.Identity{Provider: "aws", Owner: "workload"}
	roleOf := func(name string) scaler.Identity {
		return scaler.Identity{Provider: "aws", Owner: "workload", RoleARN: "arn:aws:iam::111122223333:role/" + name}
	}
	tests := map[string]struct {
		auth     model.AuthSpec
		cluster  bool   // a ClusterTriggerAuthentication
		account  string // service account of the target's pods
		values   map[string]string
		opened   []string
		identity scaler.Identity
		problems []string
	}{
		"Vault by token": {
			auth:   model.AuthSpec{Vault: vaultAuth(func(v *model.AuthVault) { v.Method, v.Token = "token", "t" })},
			values: map[string]string{"password": "from db"}, opened: []string{"Vault https://v team role= mount= token t"},
		},
		"Vault by a kept token": {
			auth:   model.AuthSpec{Vault: vaultAuth(func(v *model.AuthVault) { v.Method, v.TokenFrom = "token", key("keys", "secret") })},
			values: map[string]string{"password": "from db"}, opened: []string{"Vault https://v team role= mount= token kept"},
		},
		"Vault by a token that is not there": {
			auth:   model.AuthSpec{Vault: vaultAuth(func(v *model.AuthVault) { v.Method, v.TokenFrom = "token", key("keys", "secrt") })},
			values: map[string]string{}, problems: []string{gives + `hashiCorpVault: credential.tokenFrom: the Secret default/keys has no key "secrt" (did you mean secret?)`},
		},
		"Vault by a service account, which is the workload's neighbour": {
			auth: model.AuthSpec{Vault: vaultAuth(func(v *model.AuthVault) { v.ServiceAccount = "app" })}, cluster: true,
			values: map[string]string{"password": "from db"}, opened: []string{"Vault https://v team role=r mount=m jwt " + hidden + "-of-default/app <nil>"},
		},
		"Vault by a file": {
			auth:   model.AuthSpec{Vault: vaultAuth(func(v *model.AuthVault) { v.TokenFile = "token" })},
			values: map[string]string{"password": "from db"}, opened: []string{"Vault https://v team role=r mount=m jwt (file) <nil>"},
		},
		"Vault without a login": {
			auth: model.AuthSpec{Vault: vaultAuth(func(*model.AuthVault) {})}, values: map[string]string{},
			problems: []string{gives + "hashiCorpVault: credential has neither serviceAccountName nor serviceAccount; expected one of them for authentication kubernetes"},
		},
		"Vault without a role": {
			auth: model.AuthSpec{Vault: vaultAuth(func(v *model.AuthVault) { v.Role = "" })}, values: map[string]string{},
			problems: []string{gives + "hashiCorpVault: role or mount is missing; expected both for authentication kubernetes"},
		},
		"Vault by an unknown method": {
			auth: model.AuthSpec{Vault: vaultAuth(func(v *model.AuthVault) { v.Method = "ldap" })}, values: map[string]string{},
			problems: []string{gives + `hashiCorpVault: authentication: found "ldap"; expected token or kubernetes`},
		},
		"AWS with keys": {
			auth:   model.AuthSpec{AWSSecrets: withKeys(awsAuth(scaler.Identity{}))},
			values: map[string]string{"password": "from db"}, opened: []string{"SecretsManager eu-west-1 keys=AKIA/kept/s {Provider: ID: TenantID: AuthorityHost: RoleARN: Owner: ExternalID:}"},
		},
		"AWS without keys": {
			auth: model.AuthSpec{AWSSecrets: awsAuth(scaler.Identity{Provider: "none"})}, values: map[string]string{},
			problems: []string{gives + "awsSecretManager: there is neither a podIdentity nor credentials; expected one of them"},
		},
		"AWS with an empty key": {
			auth: model.AuthSpec{AWSSecrets: func() *model.AuthAWS {
				a := withKeys(awsAuth(scaler.Identity{}))
				a.AccessKey = key("keys", "empty")
				return a
			}()}, values: map[string]string{},
			problems: []string{gives + `awsSecretManager: credentials.accessKey: the key "empty" of the Secret default/keys is empty`},
		},
		"AWS as the operator": {
			auth:   model.AuthSpec{AWSParameters: awsAuth(scaler.Identity{Provider: "aws"})},
			values: map[string]string{"password": "from db"}, opened: []string{"ParameterStore eu-west-1 keys=// {Provider:aws ID: TenantID: AuthorityHost: RoleARN: Owner: ExternalID:}"},
		},
		"AWS as the workload": {
			auth: model.AuthSpec{AWSParameters: awsAuth(workloadRole)}, account: "app",
			values: map[string]string{"password": "from db"},
			opened: []string{"ParameterStore eu-west-1 keys=// {Provider:aws ID: TenantID: AuthorityHost: RoleARN:arn:aws:iam::111122223333:role/app Owner:workload ExternalID:}"},
		},
		"AWS as a workload without a role": {
			auth: model.AuthSpec{AWSSecrets: awsAuth(workloadRole)}, account: "plain", values: map[string]string{},
			problems: []string{gives + `awsSecretManager: podIdentity: the service account default/plain has no annotation "eks.amazonaws.com/role-arn"`},
		},
		"Key Vault with an application": {
			auth:   model.AuthSpec{KeyVault: keyVaultAuth(scaler.Identity{}, key("keys", "secret"))},
			values: map[string]string{"password": "from db"}, opened: []string{"KeyVault https://v c r a tenant/client/kept {Provider: ID: TenantID: AuthorityHost: RoleARN: Owner: ExternalID:}"},
		},
		"Key Vault as the operator": {
			auth:   model.AuthSpec{KeyVault: keyVaultAuth(scaler.Identity{Provider: "azure-workload", ID: "i"}, nil)},
			values: map[string]string{"password": "from db"}, opened: []string{"KeyVault https://v c r a // {Provider:azure-workload ID:i TenantID: AuthorityHost: RoleARN: Owner: ExternalID:}"},
		},
		"Key Vault as nobody": {
			auth: model.AuthSpec{KeyVault: keyVaultAuth(scaler.Identity{}, nil)}, values: map[string]string{},
			problems: []string{gives + "azureKeyVault: there is neither a podIdentity nor credentials; expected one of them"},
		},
		"Google with a key": {
			auth:   model.AuthSpec{GCPSecrets: &model.AuthGCP{Key: key("keys", "secret"), Secrets: []model.StoredSecret{{Parameter: "password", Name: "db"}}}},
			values: map[string]string{"password": "from db"}, opened: []string{"GCP kept {Provider: ID: TenantID: AuthorityHost: RoleARN: Owner: ExternalID:}"},
		},
		"Google as the operator": {
			auth:   model.AuthSpec{GCPSecrets: &model.AuthGCP{Identity: scaler.Identity{Provider: "gcp"}, Secrets: []model.StoredSecret{{Parameter: "password", Name: "db"}}}},
			values: map[string]string{"password": "from db"}, opened: []string{"GCP  {Provider:gcp ID: TenantID: AuthorityHost: RoleARN: Owner: ExternalID:}"},
		},
		"Google as nobody": {
			auth: model.AuthSpec{GCPSecrets: &model.AuthGCP{Secrets: []model.StoredSecret{{Parameter: "password", Name: "db"}}}}, values: map[string]string{},
			problems: []string{gives + "gcpSecretManager: there is neither a podIdentity nor credentials; expected one of them"},
		},
		"a store without the secret": {
			auth:   model.AuthSpec{GCPSecrets: &model.AuthGCP{Identity: scaler.Identity{Provider: "gcp"}, Secrets: []model.StoredSecret{{Parameter: "username", Name: "db"}, {Parameter: "password", Name: "gone"}}}},
			values: map[string]string{"username": "from db"}, opened: []string{"GCP  {Provider:gcp ID: TenantID: AuthorityHost: RoleARN: Owner: ExternalID:}"},
			problems: []string{`error: ` + at + `the TriggerAuthentication "creds" can't give the parameter "password": gcpSecretManager.secrets[1]: reading "gone": there is none`},
		},
		"tokens": {
			auth:   model.AuthSpec{Tokens: []model.AuthToken{{Parameter: "bearerToken", ServiceAccount: "app"}}},
			values: map[string]string{"bearerToken": hidden + "-of-default/app"},
		},
		"tokens for all namespaces": {
			auth: model.AuthSpec{Tokens: []model.AuthToken{{Parameter: "bearerToken", ServiceAccount: "shared"}}}, cluster: true,
			values: map[string]string{"bearerToken": hidden + "-of-keda/shared"},
		},
		"tokens of accounts that are not there": {
			auth: model.AuthSpec{Tokens: []model.AuthToken{{Parameter: "a", ServiceAccount: "gone"}, {Parameter: "b", ServiceAccount: "forbidden"}}}, values: map[string]string{},
			problems: []string{
				`error: ` + at + `the TriggerAuthentication "creds" can't give the parameter "a": boundServiceAccountToken[0]: getting a token for the service account default/gone: it does not exist`,
				`error: ` + at + `the TriggerAuthentication "creds" can't give the parameter "b": boundServiceAccountToken[1]: getting a token for the service account default/forbidden: the operator may not; expected a Role in namespace default that lets it create serviceaccounts/token of "forbidden"`,
			},
		},
		"a file": {
			auth: model.AuthSpec{FilePath: "creds.json"}, cluster: true, values: map[string]string{"password": hidden},
		},
		"a file that is not there": {
			auth: model.AuthSpec{FilePath: "none.json"}, cluster: true, values: map[string]string{},
			problems: []string{`error: ` + at + `the ClusterTriggerAuthentication "creds" can't give what it takes from filePath: reading a file of the operator: the file "none.json" can't be opened: no such file or directory`},
		},
		"a file of a namespace": {
			auth: model.AuthSpec{FilePath: "creds.json"}, values: map[string]string{},
			problems: []string{`error: ` + at + `the TriggerAuthentication "creds" uses filePath, which only a ClusterTriggerAuthentication may`},
		},
		"OAuth 2": {
			auth: model.AuthSpec{OAuth2: &model.AuthOAuth2{ClientID: "c", TokenURL: "https://t", ClientSecret: key("keys", "secret"), Scopes: []string{"a", "b"}, Params: map[string]string{"audience": "x y", "also": "&"}}},
			values: map[string]string{
				"clientID": "c", "oauthTokenURI": "https://t", "clientSecret": "kept", "scopes": "a,b", "endpointParams": "also=%26&audience=x+y",
			},
		},
		"OAuth 2 without its secret": {
			auth:     model.AuthSpec{OAuth2: &model.AuthOAuth2{ClientID: "c", TokenURL: "https://t", ClientSecret: key("gone", "secret")}},
			values:   map[string]string{"clientID": "c", "oauthTokenURI": "https://t"},
			problems: []string{gives + "oauth2: clientSecret: the Secret default/gone does not exist"},
		},
		"the role of the workload": {
			auth: model.AuthSpec{Identity: workloadRole}, account: "app", values: map[string]string{}, identity: roleOf("app"),
		},
		"the role of the default service account": {
			auth: model.AuthSpec{Identity: workloadRole}, values: map[string]string{}, identity: roleOf("default"),
		},
		"no role": {
			auth: model.AuthSpec{Identity: workloadRole}, account: "plain", values: map[string]string{}, identity: workloadRole,
			problems: []string{`error: ` + at + `the TriggerAuthentication "creds" uses podIdentity aws, whose role is not known: the service account default/plain has no annotation "eks.amazonaws.com/role-arn" (annotate the service account of the target's pods with eks.amazonaws.com/role-arn, or write roleArn in the podIdentity)`},
		},
		"no service account, but a role by parameter": {
			auth:    model.AuthSpec{Identity: workloadRole, Secrets: []model.AuthKey{{Parameter: "awsRoleArn", Name: "keys", Key: "id"}}},
			account: "gone", values: map[string]string{"awsRoleArn": "AKIA"}, identity: workloadRole,
		},
		"the operator's role": {auth: model.AuthSpec{Identity: scaler.Identity{Provider: "aws-eks", Owner: "keda"}}, values: map[string]string{}, identity: scaler.Identity{Provider: "aws-eks", Owner: "keda"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := newOutdoors(t, map[string]Fetched{"db": {Value: "from db"}, "gone": {Err: scaler.Missing(errors.New("there is none"), `reading "gone"`)}})
			keys := map[string][]byte{"id": []byte("AKIA"), "secret": []byte("kept"), "session": []byte("s"), "empty": nil}
			c := &cluster{
				secrets: map[string]map[string][]byte{"default/keys": keys, "keda/keys": keys},
				auth:    map[string]*model.AuthSpec{"default/creds keda.sh": &tt.auth, "/creds keda.sh": &tt.auth},
				pods:    map[string]*corev1.PodSpec{"default/app": {ServiceAccountName: tt.account, Containers: []corev1.Container{{Name: "main"}}}},
			}
			trigger := withAuth(nil)
			if tt.cluster {
				trigger.Auth.Kind = model.KindClusterTriggerAuthentication
			}
			r := &Resolver{Reader: c, External: &out.External, ClusterNamespace: "keda"}
			got, ps := r.Resolve(t.Context(), workload(trigger), 1)
			var problems []string
			for _, p := range ps {
				problems = append(problems, string(p.Severity)+": "+p.String())
			}
			for what, diff := range map[string]string{
				"values": cmp.Diff(tt.values, got.Values), "problems": cmp.Diff(tt.problems, problems),
				"opened": cmp.Diff(tt.opened, out.opened), "identity": cmp.Diff(tt.identity, got.Identity),
			} {
				if diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
			if text := strings.Join(problems, "\n"); strings.Contains(text, hidden) || strings.Contains(text, "kept") {
				t.Errorf("a problem contains a secret value: %s", text)
			}
		})
	}
}

// TestExternalUsed: the reference of a section is the same as long as nothing
// that it depends on changes, and tells no credential.
func TestExternalUsed(t *testing.T) {
	used := func(secret string, items ...string) model.Reference {
		out := newOutdoors(t, map[string]Fetched{"db": {Value: "x"}, "other": {Value: "y"}})
		m := &model.AuthGCP{Key: key("keys", "secret")}
		for _, it := range items {
			m.Secrets = append(m.Secrets, model.StoredSecret{Parameter: it, Name: it})
		}
		c := &cluster{secrets: map[string]map[string][]byte{"default/keys": {"secret": []byte(secret)}}, auth: credsAuth(model.AuthSpec{GCPSecrets: m})}
		got, _ := (&Resolver{Reader: c, External: &out.External}).Resolve(t.Context(), workload(withAuth(nil)), 1)
		i := slices.IndexFunc(got.Used, func(r model.Reference) bool { return r.Kind == "gcpSecretManager" && r.Namespace == "default" })
		if i < 0 {
			t.Fatalf("used %v", got.Used)
		}
		return got.Used[i]
	}
	base := used("kept", "db")
	if base != used("kept", "db") {
		t.Error("the reference differs for equal sections")
	}
	if base == used("rotated", "db") || base == used("kept", "other") || base == used("kept", "db", "other") {
		t.Error("the reference is the same for sections that differ")
	}
}

// TestExternalLastGood: what can't be asked for again stays in use, with a
// warning that names object, section and item.
func TestExternalLastGood(t *testing.T) {
	b := newBench(t).run()
	out := newOutdoors(t, map[string]Fetched{"db": {Value: hidden}})
	out.Cache = b.Cache
	auth := model.AuthSpec{Vault: vaultAuth(func(v *model.AuthVault) { v.ServiceAccount = "app" })}
	r := &Resolver{Reader: &cluster{auth: credsAuth(auth)}, External: &out.External}
	first, ps := r.Resolve(t.Context(), workload(withAuth(nil)), 1)
	if ps != nil {
		t.Fatalf("problems %v", ps)
	}
	b.told()
	out.shelf.set("db", Fetched{Err: scaler.Denied(errors.New("the server answered 403"), "reading db from Vault at v")})
	b.pass(out.shelf, DefaultEvery, 2)
	b.told()
	second, ps := r.Resolve(t.Context(), workload(withAuth(nil)), 1)
	if second.Values["password"] != hidden || second.Digest != first.Digest {
		t.Error("the last good value is not in use any more")
	}
	const want = `spec.triggers[1].authenticationRef: the TriggerAuthentication "creds" still uses the last good value of the parameter "password": hashiCorpVault.secrets[0]: reading db from Vault at v: the server answered 403`
	if len(ps) != 1 || ps[0].Severity != param.Warning || ps[0].String() != want {
		t.Errorf("problems %v; expected the warning %s", ps, want)
	}
}

// TestExternalUnseen: where only objects are known, what comes from elsewhere
// may be there.
func TestExternalUnseen(t *testing.T) {
	auth := model.AuthSpec{
		Vault: vaultAuth(func(*model.AuthVault) {}), Tokens: []model.AuthToken{{Parameter: "bearerToken", ServiceAccount: "app"}},
		Identity: scaler.Identity{Provider: "aws", Owner: "workload"},
	}
	got, ps := (&Resolver{Reader: &cluster{auth: credsAuth(auth)}}).Resolve(t.Context(), workload(withAuth(nil)), 1)
	if diff := cmp.Diff(model.Unseen{Values: map[string]bool{"password": true, "bearerToken": true}}, got.Unseen); diff != "" || ps != nil {
		t.Errorf("problems %v, unseen (-want +got):\n%s", ps, diff)
	}
	trigger := withAuth(nil)
	trigger.Auth.Kind = model.KindClusterTriggerAuthentication
	c := &cluster{auth: map[string]*model.AuthSpec{"/creds keda.sh": {FilePath: "creds.json"}}}
	got, ps = (&Resolver{Reader: c, ClusterNamespace: "keda"}).Resolve(t.Context(), workload(trigger), 1)
	if !got.Unseen.AllValues || ps != nil {
		t.Errorf("unseen %+v, problems %v; expected that a file may hold anything", got.Unseen, ps)
	}
}
