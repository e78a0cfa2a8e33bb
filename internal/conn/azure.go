package conn

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/kedago/keda/pkg/scaler"
)

// AzureWorkload is the provider of Azure Workload Identity.
const AzureWorkload = "azure-workload"

// The variables that the webhook of Azure Workload Identity sets on the
// operator's pod.
const (
	azureClientVariable    = "AZURE_CLIENT_ID"
	azureTenantVariable    = "AZURE_TENANT_ID"
	azureTokenFileVariable = "AZURE_FEDERATED_TOKEN_FILE"
	azureAuthorityVariable = "AZURE_AUTHORITY_HOST"
)

// AzureCredential fetches tokens with the operator's workload identity, or
// with another one that trusts the operator, and holds them until they
// expire. It implements azcore.TokenCredential and is safe for use by several
// goroutines.
type AzureCredential struct {
	// Key is equal for credentials that are the same; it reveals none.
	Key string

	tokens  *azureTokens
	release []func()
}

var _ azcore.TokenCredential = (*AzureCredential)(nil)

// OpenAzureCredential takes the credential of the podIdentity from the pool.
// It does no network I/O. The caller closes it. Tokens come from the
// podIdentity's authority, else from authorityHost, else from the operator's.
func OpenAzureCredential(env scaler.Env, authorityHost string) (*AzureCredential, error) {
	who, err := azureIdentityOf(env.Identity, authorityHost)
	if err != nil {
		return nil, err
	}
	options, release, err := AzureClientOptions(env)
	if err != nil {
		return nil, err
	}
	c := &AzureCredential{release: []func(){release}}
	key := scaler.PoolKey{
		Driver: "azure-identity", Address: "timeout=" + httpTimeout(env.HTTP).String() + " " + optionsKey(env.HTTP),
		Credentials: Digest("workload", who.client, who.tenant, who.authority, who.file),
	}
	c.Key = key.Address + " " + key.Credentials
	c.tokens, release, err = scaler.Lease(env.Pool, key, func() (*azureTokens, error) { return newAzureTokens(who, options) })
	if err != nil {
		c.Close()
		return nil, scaler.Misconfigured(err, "preparing the podIdentity %s", env.Identity.Provider)
	}
	c.release = append(c.release, release)
	return c, nil
}

// Close gives the credential back.
func (c *AzureCredential) Close() {
	for _, r := range slices.Backward(c.release) {
		r()
	}
}

// GetToken implements azcore.TokenCredential. Its errors are of package
// scaler, and hold nothing of what the authority wrote but its error code.
func (c *AzureCredential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return c.tokens.get(ctx, o)
}

// azureIdentity is who asks, and whom.
type azureIdentity struct{ client, tenant, authority, file string }

func azureIdentityOf(id scaler.Identity, authorityHost string) (azureIdentity, error) {
	switch id.Provider {
	case AzureWorkload:
	case "", "none":
		return azureIdentity{}, scaler.Misconfigured(nil, "there is no podIdentity; expected the provider %s in the authenticationRef", AzureWorkload)
	default:
		return azureIdentity{}, scaler.Misconfigured(nil, "podIdentity %s gives no Azure credentials; expected %s", id.Provider, AzureWorkload)
	}
	own := os.Getenv(azureAuthorityVariable)
	who := azureIdentity{
		client: cmp.Or(id.ID, os.Getenv(azureClientVariable)), tenant: cmp.Or(id.TenantID, os.Getenv(azureTenantVariable)),
		file: os.Getenv(azureTokenFileVariable), authority: cmp.Or(id.AuthorityHost, authorityHost, own, cloud.AzurePublic.ActiveDirectoryAuthorityHost),
	}
	for _, need := range []struct{ value, variable, or string }{
		{who.file, azureTokenFileVariable, ""},
		{who.client, azureClientVariable, ", or identityId in the podIdentity"},
		{who.tenant, azureTenantVariable, ", or identityTenantId in the podIdentity"},
	} {
		if need.value == "" {
			return azureIdentity{}, scaler.Misconfigured(nil, "podIdentity %s: the operator has no %s; expected the variable that Azure Workload Identity sets on the operator's pod%s", id.Provider, need.variable, need.or)
		}
	}
	// Whoever gets the operator's service account token can act as it.
	if strings.TrimRight(who.authority, "/") != strings.TrimRight(own, "/") && !azureKnownAuthority(who.authority) {
		return azureIdentity{}, scaler.Misconfigured(nil, "podIdentity %s: found an authority host that is neither Microsoft's nor the operator's own (%s); expected one of them, since it is shown the operator's token", id.Provider, azureAuthorityVariable)
	}
	if u, err := url.Parse(who.authority); err != nil || u.Scheme != "https" || u.Host == "" {
		return azureIdentity{}, scaler.Misconfigured(nil, "podIdentity %s: found an authority host that is no https address; expected one such as %s", id.Provider, cloud.AzurePublic.ActiveDirectoryAuthorityHost)
	}
	return who, nil
}

// azureTokens is what the pool holds.
type azureTokens struct {
	cred azcore.TokenCredential
	who  azureIdentity
}

func newAzureTokens(who azureIdentity, options azcore.ClientOptions) (*azureTokens, error) {
	options.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: who.authority}
	cred, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: options, ClientID: who.client, TenantID: who.tenant, TokenFilePath: who.file,
		// An authority that Microsoft does not know can't be looked up there.
		DisableInstanceDiscovery: !azureKnownAuthority(who.authority),
	})
	if err != nil {
		return nil, errors.New("the client or tenant ID has characters that none has")
	}
	return &azureTokens{cred: cred, who: who}, nil
}

func (t *azureTokens) get(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	doing := "getting an Azure token for " + strings.TrimSuffix(strings.Join(o.Scopes, ", "), "/.default")
	failed := &azureFailure{}
	token, err := t.cred.GetToken(context.WithValue(ctx, azureFailureKey{}, failed), o)
	if err == nil {
		return token, nil
	}
	var refused *azidentity.AuthenticationFailedError
	switch {
	case ctx.Err() != nil:
		return token, azureContextError(ctx.Err(), doing)
	case errors.As(err, &refused) && refused.RawResponse != nil:
		return token, azureRefusedToken(refused.RawResponse, doing)
	case failed.get() != nil:
		return token, AzureError(failed.get(), doing)
	}
	if _, unread := readSmall(t.who.file); unread != nil && t.who.file != "" {
		return token, scaler.Misconfigured(errors.New("the operator's file of "+azureTokenFileVariable+" can't be read"), "%s", doing)
	}
	return token, scaler.Denied(errors.New("the authority's answer is not understood"), "%s", doing)
}

// azureFailure remembers the last failed exchange of one request for a token,
// which the SDK turns into mere text.
type azureFailure struct {
	mu  sync.Mutex // guards err
	err error
}

type azureFailureKey struct{}

func (f *azureFailure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *azureFailure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}
