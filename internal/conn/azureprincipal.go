package conn

import (
	"cmp"
	"errors"
	"net/url"
	"os"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// AzurePrincipal is an application of Microsoft Entra ID that proves who it is
// with a secret or a certificate of its own, for triggers that take one in
// place of a podIdentity.
type AzurePrincipal struct {
	tenant, client                     string
	secret, certificate, password      param.Hidden
	tenantName, clientName, secretName string
	certificateName                    string
	given                              struct{ client, secret, certificate, password bool }
}

const azurePrincipalGroup = "Azure application"

// TenantField declares the tenant's ID.
func (p *AzurePrincipal) TenantField(name string) *param.Field {
	p.tenantName = name
	return param.Group(azurePrincipalGroup, param.Text(name, &p.tenant).Example("00000000-0000-0000-0000-000000000001").
		Doc("ID of the tenant that the application belongs to."))[0]
}

// ClientField declares the application's ID.
func (p *AzurePrincipal) ClientField(name string) *param.Field {
	p.clientName = name
	return param.Group(azurePrincipalGroup, param.Text(name, &p.client).IsSet(&p.given.client).Example("00000000-0000-0000-0000-000000000002").
		Doc("ID of the application that asks, in place of a podIdentity."))[0]
}

// SecretField declares the application's secret.
func (p *AzurePrincipal) SecretField(name string) *param.Field {
	p.secretName = name
	return param.Group(azurePrincipalGroup, param.Secret(name, &p.secret).IsSet(&p.given.secret).Doc("Secret of the application."))[0]
}

// CertificateFields declare the application's certificate, in place of a secret.
func (p *AzurePrincipal) CertificateFields(certificate, password string) param.Set {
	p.certificateName = certificate
	return param.Group(azurePrincipalGroup,
		param.Secret(certificate, &p.certificate).IsSet(&p.given.certificate).Doc("Certificate of the application with its private key, in PEM or PKCS #12 form; in place of a secret."),
		param.Secret(password, &p.password).IsSet(&p.given.password).Doc("Password of the certificate's private key."))
}

// Given says whether there is an application, or will be once the
// authenticationRef is resolved.
func (p *AzurePrincipal) Given() bool {
	return p.given.client && (p.given.secret || p.given.certificate)
}

// Check finds two proofs where one is needed.
func (p *AzurePrincipal) Check() param.Problems {
	var ps param.Problems
	if !p.secret.IsZero() && !p.certificate.IsZero() {
		ps.Errorf("authenticationRef."+p.certificateName, "is given beside %s; expected one of them", p.secretName)
	}
	if p.given.password && !p.given.certificate {
		ps.Errorf("authenticationRef."+p.certificateName, "is missing; expected the certificate that the password belongs to")
	}
	return ps
}

// Bearer takes tokens for a scope from the pool: those of the podIdentity, or
// of the application where there is none. It does no network I/O. The caller
// has checked that the address asked may see the podIdentity's.
func (p *AzurePrincipal) Bearer(env scaler.Env, c *AzureCloud, scope string) (HTTPIdentity, error) {
	if env.Identity.Provider != "" && env.Identity.Provider != "none" {
		return OpenAzureBearer(env, c, scope)
	}
	credential, err := p.credential(env, c)
	if err != nil {
		return nil, err
	}
	return &azureBearer{AzureCredential: credential, scope: scope}, nil
}

// Digest is equal for the same application with the same proof.
func (p *AzurePrincipal) Digest() string {
	return Digest(p.client, p.tenant, p.secret.Reveal(), p.certificate.Reveal(), p.password.Reveal())
}

// missing is the first parameter that an application lacks, or "".
func (p *AzurePrincipal) missing() string {
	switch {
	case p.client == "":
		return p.clientName
	case p.secret.IsZero() && p.certificate.IsZero():
		return p.secretName
	case p.tenant == "":
		return p.tenantName
	}
	return ""
}

// credential takes the application's credential from the pool.
func (p *AzurePrincipal) credential(env scaler.Env, c *AzureCloud) (*AzureCredential, error) {
	if name := p.missing(); name != "" {
		return nil, scaler.Misconfigured(nil, "there are no Azure credentials; expected the podIdentity %s, or an application: its %s is missing", AzureWorkload, name)
	}
	authority := cmp.Or(c.AuthorityHost(), os.Getenv(azureAuthorityVariable), cloud.AzurePublic.ActiveDirectoryAuthorityHost)
	if u, err := url.Parse(authority); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, scaler.Misconfigured(nil, "found an authority host that is no https address; expected one such as %s", cloud.AzurePublic.ActiveDirectoryAuthorityHost)
	}
	options, release, err := AzureClientOptions(env)
	if err != nil {
		return nil, err
	}
	out := &AzureCredential{release: []func(){release}}
	key := scaler.PoolKey{
		Driver: "azure-identity", Address: "timeout=" + httpTimeout(env.HTTP).String() + " " + optionsKey(env.HTTP),
		Credentials: Digest("application", p.Digest(), authority),
	}
	out.Key = key.Address + " " + key.Credentials
	out.tokens, release, err = scaler.Lease(env.Pool, key, func() (*azureTokens, error) { return p.tokens(authority, options) })
	if err != nil {
		out.Close()
		return nil, scaler.Misconfigured(err, "preparing the credentials of the Azure application")
	}
	out.release = append(out.release, release)
	return out, nil
}

func (p *AzurePrincipal) tokens(authority string, options azcore.ClientOptions) (*azureTokens, error) {
	options.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: authority}
	elsewhere := !azureKnownAuthority(authority) // Microsoft can't be asked about it
	var cred azcore.TokenCredential
	var err error
	if p.certificate.IsZero() {
		cred, err = azidentity.NewClientSecretCredential(p.tenant, p.client, strings.TrimRight(p.secret.Reveal(), "\r\n"),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: elsewhere})
	} else {
		chain, key, bad := azidentity.ParseCertificates([]byte(p.certificate.Reveal()), []byte(p.password.Reveal()))
		if bad != nil {
			return nil, errors.New("the certificate or its private key can't be read; expected both in PEM or PKCS #12 form, with the password if it has one")
		}
		cred, err = azidentity.NewClientCertificateCredential(p.tenant, p.client, chain, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: elsewhere})
	}
	if err != nil {
		return nil, errors.New("the client or tenant ID has characters that none has")
	}
	return &azureTokens{cred: cred}, nil
}
