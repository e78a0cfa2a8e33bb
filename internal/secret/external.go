package secret

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// file takes parameters from a file of the operator. Which file is for who
// runs the operator to say, so only cluster-wide objects may.
type file struct{}

func (file) resolve(ctx context.Context, j *job, path string) {
	const field = "filePath"
	name := j.auth.FilePath
	switch {
	case name == "":
		return
	case j.trigger.Auth.Kind != model.KindClusterTriggerAuthentication:
		j.problems.Errorf(path, "the %s %q uses filePath, which only a ClusterTriggerAuthentication may", j.trigger.Auth.Kind, j.trigger.Auth.Name)
		return
	case j.external == nil:
		j.unseen.AllValues = true
		return
	}
	got := j.held(ctx, section{field: field, wants: []want{{item: Item{Name: name}}}, open: func() (Store, error) { return fileStore{j.external.Files}, nil }})[0]
	if !got.has {
		j.withheld(path, field, nil, got.err)
		return
	}
	if got.err != nil {
		j.earlier(path, "its file", field, got.err)
	}
	var parameters map[string]string
	if err := json.Unmarshal([]byte(got.value), &parameters); err != nil {
		j.withheld(path, field, nil, errors.New("what was read of the file is no JSON object"))
		return
	}
	for _, p := range slices.Sorted(maps.Keys(parameters)) {
		j.give(path, field, p, parameters[p])
	}
}

// tokens takes parameters from tokens of service accounts.
type tokens struct{}

func (tokens) resolve(ctx context.Context, j *job, path string) {
	const field = "boundServiceAccountToken"
	var wants []want
	for _, t := range j.auth.Tokens {
		wants = append(wants, want{t.Parameter, Item{Name: t.ServiceAccount}})
	}
	if len(wants) == 0 || !j.outside(wants) {
		return
	}
	namespace := j.authNamespace
	if namespace == "" {
		j.withheld(path, field, wants, errNoClusterNamespace)
		return
	}
	j.take(ctx, path, section{
		field: field, list: field, wants: wants,
		open: func() (Store, error) { return tokenStore{j.external.ServiceAccounts, namespace}, nil },
	})
}

// vault takes parameters from HashiCorp Vault.
type vault struct{}

func (vault) resolve(ctx context.Context, j *job, path string) {
	v := j.auth.Vault
	if v == nil || len(v.Secrets) == 0 {
		return
	}
	const field = "hashiCorpVault"
	var wants []want
	for _, s := range v.Secrets {
		wants = append(wants, want{s.Parameter, Item{Name: s.Path, Key: s.Key, Type: s.Type, PKI: s.PKI}})
	}
	if !j.outside(wants) {
		return
	}
	access, id, err := j.vaultAccess(ctx, v)
	if err != nil {
		j.withheld(path, field, wants, err)
		return
	}
	s := section{field: field, list: field + ".secrets", wants: wants, access: append(id, access.Address, access.Namespace, access.Role, access.Mount, access.Token.Reveal())}
	if open := j.external.OpenVault; open != nil {
		s.open = func() (Store, error) { return open(access) }
	}
	j.take(ctx, path, s)
}

// vaultAccess also returns what tells one login from another.
func (j *job) vaultAccess(ctx context.Context, v *model.AuthVault) (VaultAccess, []string, error) {
	access := VaultAccess{Address: v.Address, Namespace: v.Namespace}
	external := j.external
	switch {
	case v.Method == model.VaultToken:
		token, err := j.credential(ctx, "credential.tokenFrom", v.TokenFrom)
		access.Token = param.Hide(cmp.Or(token, v.Token))
		return access, []string{v.Method}, err
	case v.Method != model.VaultKubernetes:
		return access, nil, fmt.Errorf("authentication: found %q; expected token or kubernetes", v.Method)
	case v.Role == "" || v.Mount == "":
		return access, nil, errors.New("role or mount is missing; expected both for authentication kubernetes")
	}
	access.Role, access.Mount = v.Role, v.Mount
	if name := v.ServiceAccount; name != "" {
		// It stands for the workload, so it is one of the workload's namespace.
		namespace := j.workload.Key.Namespace
		access.JWT = func(ctx context.Context) (param.Hidden, error) {
			token, _, err := issue(ctx, external.ServiceAccounts, namespace, name)
			return token, err
		}
		return access, []string{v.Method, "account", namespace, name}, nil
	}
	if v.TokenFile == "" {
		return access, nil, errors.New("credential has neither serviceAccountName nor serviceAccount; expected one of them for authentication kubernetes")
	}
	access.Operators = !j.auth.ClusterWide
	access.JWT = func(ctx context.Context) (param.Hidden, error) {
		token, err := external.Files.token(ctx, v.TokenFile)
		if err != nil {
			err = scaler.Misconfigured(err, "credential.serviceAccount")
		}
		return token, err
	}
	return access, []string{v.Method, "file", v.TokenFile}, nil
}

// aws takes parameters from AWS Secrets Manager or the Parameter Store.
type aws struct {
	field, list string
	part        func(*model.AuthSpec) *model.AuthAWS
	open        func(*External) func(AWSAccess) (Store, error)
}

func (s aws) resolve(ctx context.Context, j *job, path string) {
	m := s.part(&j.auth)
	if m == nil || len(m.Secrets) == 0 {
		return
	}
	var wants []want
	for _, e := range m.Secrets {
		wants = append(wants, want{e.Parameter, Item{Name: e.Name, Key: e.Key, Version: cmp.Or(e.VersionID, e.Version), Stage: e.VersionStage}})
	}
	if !j.outside(wants) {
		return
	}
	access, err := j.awsAccess(ctx, path, s.field, m)
	if err != nil {
		j.withheld(path, s.field, wants, err)
		return
	}
	id := access.Identity
	out := section{field: s.field, list: s.list, wants: wants, access: []string{
		access.Region, access.KeyID.Reveal(), access.Secret.Reveal(), access.Session.Reveal(), id.Provider, id.RoleARN, id.Owner, id.ExternalID,
	}}
	if open := s.open(j.external); open != nil {
		out.open = func() (Store, error) { return open(access) }
	}
	j.take(ctx, path, out)
}

func (j *job) awsAccess(ctx context.Context, path, field string, m *model.AuthAWS) (a AWSAccess, err error) {
	a.Region = m.Region
	if a.Identity, err = j.identity(ctx, path, field+".podIdentity", m.Identity); err != nil {
		return a, fmt.Errorf("podIdentity: %w", err)
	}
	if hasIdentity(m.Identity) {
		return a, nil
	}
	if m.AccessKey == nil || m.SecretKey == nil {
		return a, errors.New("there is neither a podIdentity nor credentials; expected one of them")
	}
	for _, c := range []struct {
		field string
		key   *model.SecretKey
		to    *param.Hidden
	}{{"credentials.accessKey", m.AccessKey, &a.KeyID}, {"credentials.accessSecretKey", m.SecretKey, &a.Secret}, {"credentials.accessToken", m.SessionToken, &a.Session}} {
		value, err := j.credential(ctx, c.field, c.key)
		if err != nil {
			return a, err
		}
		*c.to = param.Hide(value)
	}
	return a, nil
}

// hasIdentity says whether a section uses its podIdentity.
func hasIdentity(id scaler.Identity) bool { return id.Provider != "" && id.Provider != "none" }

// keyVault takes parameters from an Azure Key Vault.
type keyVault struct{}

func (keyVault) resolve(ctx context.Context, j *job, path string) {
	v := j.auth.KeyVault
	if v == nil || len(v.Secrets) == 0 {
		return
	}
	const field = "azureKeyVault"
	wants := stored(v.Secrets)
	if !j.outside(wants) {
		return
	}
	access := KeyVaultAccess{URL: v.URL, Cloud: v.Cloud, ResourceURL: v.ResourceURL, AuthorityHost: v.AuthorityHost, Identity: v.Identity}
	if !hasIdentity(v.Identity) {
		if v.ClientSecret == nil {
			j.withheld(path, field, wants, errors.New("there is neither a podIdentity nor credentials; expected one of them"))
			return
		}
		secret, err := j.credential(ctx, "credentials.clientSecret", v.ClientSecret)
		if err != nil {
			j.withheld(path, field, wants, err)
			return
		}
		access.ClientID, access.TenantID, access.ClientSecret = v.ClientID, v.TenantID, param.Hide(secret)
	}
	id := v.Identity
	s := section{field: field, list: field + ".secrets", wants: wants, access: []string{
		v.URL, v.Cloud, v.ResourceURL, v.AuthorityHost, access.ClientID, access.TenantID, access.ClientSecret.Reveal(), id.Provider, id.ID, id.TenantID, id.AuthorityHost,
	}}
	if open := j.external.OpenKeyVault; open != nil {
		s.open = func() (Store, error) { return open(access) }
	}
	j.take(ctx, path, s)
}

// gcp takes parameters from Google's Secret Manager.
type gcp struct{}

func (gcp) resolve(ctx context.Context, j *job, path string) {
	m := j.auth.GCPSecrets
	if m == nil || len(m.Secrets) == 0 {
		return
	}
	const field = "gcpSecretManager"
	wants := stored(m.Secrets)
	if !j.outside(wants) {
		return
	}
	access := GCPAccess{Identity: m.Identity}
	if !hasIdentity(m.Identity) {
		if m.Key == nil {
			j.withheld(path, field, wants, errors.New("there is neither a podIdentity nor credentials; expected one of them"))
			return
		}
		key, err := j.credential(ctx, "credentials.clientSecret", m.Key)
		if err != nil {
			j.withheld(path, field, wants, err)
			return
		}
		access.Key = param.Hide(key)
	}
	s := section{field: field, list: field + ".secrets", wants: wants, access: []string{access.Key.Reveal(), m.Identity.Provider, m.Identity.ID}}
	if open := j.external.OpenGCPSecrets; open != nil {
		s.open = func() (Store, error) { return open(access) }
	}
	j.take(ctx, path, s)
}

func stored(secrets []model.StoredSecret) []want {
	var out []want
	for _, e := range secrets {
		out = append(out, want{e.Parameter, Item{Name: e.Name, Version: e.Version}})
	}
	return out
}

// oauth2 takes the parameters of OAuth 2 client credentials, by the names that
// HTTP triggers have for them.
type oauth2 struct{}

func (oauth2) resolve(ctx context.Context, j *job, path string) {
	const field = "oauth2"
	o := j.auth.OAuth2
	if o == nil {
		return
	}
	secret, err := j.credential(ctx, "clientSecret", o.ClientSecret)
	if err != nil {
		j.withheld(path, field, []want{{parameter: "clientSecret"}}, err)
	} else if o.ClientSecret != nil {
		j.give(path, field, "clientSecret", secret)
	}
	j.give(path, field, "oauthTokenURI", o.TokenURL)
	j.give(path, field, "clientID", o.ClientID)
	if len(o.Scopes) > 0 {
		j.give(path, field, "scopes", strings.Join(o.Scopes, ","))
	}
	if len(o.Params) > 0 {
		more := url.Values{}
		for k, v := range o.Params {
			more.Set(k, v)
		}
		j.give(path, field, "endpointParams", more.Encode())
	}
}
