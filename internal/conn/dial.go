package conn

import (
	"context"
	"crypto/tls"
	"net/url"

	"golang.org/x/oauth2/clientcredentials"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// ClientTLS returns a trigger's TLS settings with the operator-wide ones
// applied, or nil when the trigger's switch is off.
func ClientTLS(t *TLS, o scaler.HTTPOptions) (*tls.Config, error) {
	c, err := t.Config()
	if c == nil || err != nil {
		return nil, err
	}
	if err := bounds(c, o); err != nil {
		return nil, err
	}
	return c, trust(c, o.CAFiles)
}

// OptionsKey names the operator-wide settings that change a connection, for
// pool keys.
func OptionsKey(o scaler.HTTPOptions) string { return optionsKey(o) }

// NetworkError classifies a failed exchange with a server: certificates that
// don't match are Misconfigured, a refused client certificate is Denied, all
// else is Unreachable. doing says what was tried.
func NetworkError(err error, doing string) error { return networkError(err, doing) }

// ClientCredentials are the parameters of an OAuth 2 client for protocols
// other than HTTP.
type ClientCredentials struct {
	TokenURL *url.URL
	ID       string
	Secret   param.Hidden
	Scopes   []string
}

// Tokens fetches OAuth 2 tokens and holds one until it expires. It is safe
// for use by several goroutines.
type Tokens struct {
	cache   *tokenCache
	release func()
}

// OpenTokens prepares fetching tokens; it does no network I/O. The caller
// closes it.
func OpenTokens(env scaler.Env, c ClientCredentials) (*Tokens, error) {
	plain := &HTTPAuth{}
	key := scaler.PoolKey{Driver: "http", Address: optionsKey(env.HTTP), Credentials: plain.tlsDigest()}
	shared, release, err := scaler.Lease(env.Pool, key, func() (*sharedHTTP, error) { return newSharedHTTP(env.HTTP, plain) })
	if err != nil {
		return nil, scaler.Misconfigured(err, "preparing an OAuth client")
	}
	limit := env.HTTP.Timeout
	if limit <= 0 {
		limit = defaultHTTPTimeout
	}
	return &Tokens{release: release, cache: &tokenCache{client: shared.Client, limit: limit, config: clientcredentials.Config{
		ClientID: c.ID, ClientSecret: c.Secret.Reveal(), TokenURL: c.TokenURL.String(), Scopes: c.Scopes,
	}}}, nil
}

// Token returns a token that has not expired.
func (t *Tokens) Token(ctx context.Context) (string, error) {
	token, err := t.cache.token(ctx)
	if err != nil {
		return "", err
	}
	return token.AccessToken, nil
}

// Close gives the shared connections back.
func (t *Tokens) Close() { t.release() }

// AlwaysTLS is ClientTLS for protocols where something else than the switch
// says whether TLS is used.
func AlwaysTLS(t *TLS, o scaler.HTTPOptions) (*tls.Config, error) {
	c, err := t.Always()
	if err != nil {
		return nil, err
	}
	if err := bounds(c, o); err != nil {
		return nil, err
	}
	return c, trust(c, o.CAFiles)
}
