// Package azurekv reads values from Azure Key Vault.
//
// A vault says in its challenge which tokens it takes; that its answer fits
// its address, so that no token goes to a stranger, is checked by Azure's
// client. Connections are conn's. No error holds a value.
package azurekv

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// New returns what opens stores. env has the pool, the clock and the settings
// of HTTP clients.
func New(env scaler.Env) func(secret.KeyVaultAccess) (secret.Store, error) {
	return func(access secret.KeyVaultAccess) (secret.Store, error) { return open(env, access, nil) }
}

type store struct {
	client  *azsecrets.Client
	host    string
	release []func()
}

// open makes a client. change, when set, may alter its settings.
func open(env scaler.Env, access secret.KeyVaultAccess, change func(*azcore.ClientOptions)) (*store, error) {
	at, err := url.Parse(access.URL)
	if err != nil || at.Scheme != "https" || at.Host == "" || at.User != nil {
		return nil, scaler.Misconfigured(nil, "vaultUri: found a value that is no address of a Key Vault; expected one such as https://name.vault.azure.net")
	}
	authority, err := authorityOf(access)
	if err != nil {
		return nil, err
	}
	options, release, err := conn.AzureClientOptions(env)
	if err != nil {
		return nil, err
	}
	if change != nil {
		change(&options)
	}
	s := &store{host: at.Host, release: []func(){release}}
	credential, err := s.credential(env, access, authority, options)
	if err == nil {
		s.client, err = azsecrets.NewClient(access.URL, credential, &azsecrets.ClientOptions{ClientOptions: options})
	}
	if err != nil {
		s.Close()
		var own *scaler.Error
		if errors.As(err, &own) {
			return nil, own
		}
		return nil, scaler.Misconfigured(nil, "credentials: found a client or tenant ID with characters that none has; expected IDs of Microsoft Entra")
	}
	return s, nil
}

// authorityOf is where tokens come from: the cloud's, or what a private one's
// is said to be; empty for the operator's own.
func authorityOf(access secret.KeyVaultAccess) (string, error) {
	group := &conn.AzureCloud{}
	given := map[string]string{}
	if access.Cloud != "" {
		given["cloud"] = access.Cloud
	}
	if strings.EqualFold(access.Cloud, "Private") {
		given["cloud"] = "Private"
		if access.ResourceURL == "" || access.AuthorityHost == "" {
			return "", scaler.Misconfigured(nil, "cloud: keyVaultResourceURL or activeDirectoryEndpoint is missing; expected both for type Private")
		}
	}
	if access.AuthorityHost != "" {
		given["activeDirectoryEndpoint"] = access.AuthorityHost
	}
	fields := param.Set{group.CloudField(), group.AuthorityField()}
	if problems := append(fields.Decode(param.Values{Metadata: given}), group.Check()...); problems.Err() != nil {
		return "", scaler.Misconfigured(problems.Err(), "cloud")
	}
	return group.AuthorityHost(), nil
}

// credential gets tokens: as the application that is given, or with the
// podIdentity.
func (s *store) credential(env scaler.Env, access secret.KeyVaultAccess, authority string, options azcore.ClientOptions) (azcore.TokenCredential, error) {
	if access.ClientSecret.IsZero() {
		env.Identity = access.Identity
		own, err := conn.OpenAzureCredential(env, authority)
		if err != nil {
			return nil, err
		}
		s.release = append(s.release, own.Close)
		return own, nil
	}
	if authority == "" {
		authority = cloud.AzurePublic.ActiveDirectoryAuthorityHost
	}
	options.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: authority}
	return azidentity.NewClientSecretCredential(access.TenantID, access.ClientID, access.ClientSecret.Reveal(), &azidentity.ClientSecretCredentialOptions{
		ClientOptions: options,
		// An authority that Microsoft does not know can't be looked up there.
		DisableInstanceDiscovery: access.AuthorityHost != "",
	})
}

// Close implements secret.Store.
func (s *store) Close() {
	for _, r := range slices.Backward(s.release) {
		r()
	}
}

// Fetch implements secret.Store.
func (s *store) Fetch(ctx context.Context, items []secret.Item) []secret.Fetched {
	out := make([]secret.Fetched, len(items))
	got := map[secret.Item]secret.Fetched{}
	for i, it := range items {
		f, asked := got[it]
		if !asked {
			f = s.get(ctx, it)
			got[it] = f
		}
		out[i] = f
	}
	return out
}

// get reads one version. Azure's client panics on challenges of an unusual
// form, which any server may send.
func (s *store) get(ctx context.Context, it secret.Item) (f secret.Fetched) {
	doing := fmt.Sprintf("reading %q from the Key Vault %s", it.Name, s.host)
	defer func() {
		if recover() != nil {
			f = secret.Fetched{Err: scaler.BadAnswer(errors.New("the challenge can't be read; is this a Key Vault?"), "%s", doing)}
		}
	}()
	answer, err := s.client.GetSecret(ctx, it.Name, it.Version, nil)
	switch {
	case err != nil:
		return secret.Fetched{Err: failure(err, doing)}
	case answer.Value == nil:
		return secret.Fetched{Err: scaler.BadAnswer(errors.New("the answer holds no value"), "%s", doing)}
	}
	return secret.Fetched{Value: *answer.Value}
}

var entraCode = regexp.MustCompile(`AADSTS[0-9]{3,9}`)

// failure classifies an error of the client. Of a refused application only
// the authority's code is shown.
func failure(err error, doing string) error {
	var own *scaler.Error
	var refused *azidentity.AuthenticationFailedError
	var answered *azcore.ResponseError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &refused) && refused.RawResponse != nil:
		said := fmt.Errorf("the authority refused the credentials (%d)", refused.RawResponse.StatusCode)
		if code := entraCode.FindString(refused.Error()); code != "" {
			said = fmt.Errorf("%w, %s", said, code)
		}
		return scaler.Denied(said, "%s", doing)
	case errors.As(err, &refused):
		return scaler.Unreachable(errors.New("the authority gave no answer that can be used"), "%s", doing)
	case errors.As(err, &answered) && answered.ErrorCode == "SecretNotFound":
		return scaler.Missing(errors.New("there is no such secret, or no such version of it"), "%s", doing)
	}
	return conn.AzureError(err, doing)
}
