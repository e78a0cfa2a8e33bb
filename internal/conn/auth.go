package conn

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/kedago/keda/pkg/scaler/param"
)

// The authentication modes of HTTP sources, in upstream's spelling.
const (
	AuthBasic  = "basic"
	AuthBearer = "bearer"
	AuthTLS    = "tls"
	AuthCustom = "custom"
	AuthAPIKey = "apiKey"
	AuthOAuth  = "oauth"
)

// HTTPAuth are the parameters of an authenticated HTTP client: how it proves
// who it is, and the TLS material. A zero HTTPAuth is not usable, see NewHTTPAuth.
type HTTPAuth struct {
	tls      TLS
	supports []string
	modes    []string
	username string
	password param.Hidden
	bearer   param.Hidden
	apiKey   param.Hidden
	method   string
	keyName  string
	header   string
	value    param.Hidden
	oauth    oauthParams

	// has says what is given or will be once the authenticationRef is resolved.
	has struct{ username, bearer, apiKey, header, value bool }
}

// NewHTTPAuth declares the parameters of the modes that a scaler supports.
func NewHTTPAuth(modes ...string) HTTPAuth { return HTTPAuth{supports: modes} }

// Params declares the group: authModes, what the supported modes need, and
// the TLS material.
func (a *HTTPAuth) Params() param.Set {
	set := param.Set{
		param.List("authModes", &a.modes).Alias("authMode").From(param.Metadata, param.Auth).
			Doc("How to authenticate; one or more of " + strings.Join(a.supports, ", ") + "."),
	}
	for _, m := range a.supports {
		set = append(set, a.paramsOf(m)...)
	}
	return param.Group("Authentication", set...).With(a.tls.MaterialParams())
}

func (a *HTTPAuth) paramsOf(mode string) param.Set {
	switch mode {
	case AuthBasic:
		return param.Set{
			param.Text("username", &a.username).From(param.Auth).IsSet(&a.has.username).Doc("User name, for the mode basic."),
			param.Secret("password", &a.password).Doc("Password, for the mode basic."),
		}
	case AuthBearer:
		return param.Set{
			param.Secret("bearerToken", &a.bearer).Alias("token").IsSet(&a.has.bearer).Doc("Token, for the mode bearer."),
		}
	case AuthCustom:
		return param.Set{
			param.Text("customAuthHeader", &a.header).From(param.Auth).IsSet(&a.has.header).Doc("Name of the header, for the mode custom."),
			param.Secret("customAuthValue", &a.value).IsSet(&a.has.value).Doc("Value of the header, for the mode custom."),
		}
	case AuthAPIKey:
		return param.Set{
			param.Secret("apiKey", &a.apiKey).From(param.Auth, param.Metadata).IsSet(&a.has.apiKey).Doc("Key, for the mode apiKey."),
			param.Text("method", &a.method).From(param.Metadata, param.Auth).OneOf("header", "query").Default("header").
				Doc("Whether the API key is sent as a header or in the query."),
			param.Text("keyParamName", &a.keyName).From(param.Metadata, param.Auth).
				Doc("Name of the header or query parameter of the API key; X-API-KEY or api_key when unset."),
		}
	case AuthOAuth:
		return a.oauth.params()
	}
	return nil
}

// Uses says whether a mode is supported and chosen; letter case does not matter.
func (a *HTTPAuth) Uses(mode string) bool {
	return slices.Contains(a.supports, mode) &&
		slices.ContainsFunc(a.modes, func(m string) bool { return strings.EqualFold(m, mode) })
}

// SetsAuthorization returns a chosen mode that sets the Authorization header,
// or "" without one.
func (a *HTTPAuth) SetsAuthorization() string {
	for _, m := range []string{AuthBasic, AuthBearer, AuthOAuth} {
		if a.Uses(m) {
			return m
		}
	}
	return ""
}

// Check finds unknown modes and what the chosen ones lack.
func (a *HTTPAuth) Check() param.Problems {
	var ps param.Problems
	for _, m := range a.modes {
		if slices.ContainsFunc(a.supports, func(s string) bool { return strings.EqualFold(s, m) }) {
			continue
		}
		ps.Errorf("metadata.authModes", "found %q; expected one or more of %s", m, strings.Join(a.supports, ", "))
		if n, ok := param.Nearest(m, a.supports); ok {
			ps.Hint("did you mean %s?", n)
		}
	}
	need := func(mode, name string, given bool) {
		if a.Uses(mode) && !given {
			ps.Errorf("authenticationRef."+name, "is missing; expected a value, since authModes has %s", mode)
		}
	}
	need(AuthBasic, "username", a.has.username)
	need(AuthBearer, "bearerToken", a.has.bearer)
	need(AuthCustom, "customAuthHeader", a.has.header)
	need(AuthCustom, "customAuthValue", a.has.value)
	need(AuthAPIKey, "apiKey", a.has.apiKey)
	need(AuthTLS, "cert and key", a.tls.HasPair())
	if a.Uses(AuthOAuth) {
		ps = append(ps, a.oauth.check()...)
	}
	var authorization []string
	for _, m := range []string{AuthBasic, AuthBearer, AuthOAuth} {
		if a.Uses(m) {
			authorization = append(authorization, m)
		}
	}
	if len(authorization) > 1 {
		ps.Errorf("metadata.authModes", "found %s, which all set the Authorization header; expected one of them", strings.Join(authorization, " and "))
	}
	return append(ps, a.tls.Check()...)
}

// tlsDigest stands for the TLS settings of the client, revealing none.
func (a *HTTPAuth) tlsDigest() string {
	pair := "no pair"
	if a.Uses(AuthTLS) {
		pair = "pair"
	}
	return Digest(a.tls.Digest(), pair)
}

// apply puts the credentials on req.
func (a *HTTPAuth) apply(ctx context.Context, req *http.Request, tokens *tokenCache) error {
	if a.Uses(AuthBasic) {
		req.SetBasicAuth(a.username, a.password.Reveal())
	}
	if a.Uses(AuthBearer) {
		req.Header.Set("Authorization", "Bearer "+a.bearer.Reveal())
	}
	if a.Uses(AuthCustom) {
		req.Header.Set(a.header, a.value.Reveal())
	}
	if a.Uses(AuthAPIKey) {
		a.applyKey(req)
	}
	if tokens != nil {
		token, err := tokens.token(ctx)
		if err != nil {
			return err
		}
		token.SetAuthHeader(req)
	}
	return nil
}

func (a *HTTPAuth) applyKey(req *http.Request) {
	name := a.keyName
	if a.method != "query" {
		if name == "" {
			name = "X-API-KEY"
		}
		req.Header.Set(name, a.apiKey.Reveal())
		return
	}
	if name == "" {
		name = "api_key"
	}
	req.URL = withQuery(req.URL, name, a.apiKey.Reveal())
}

// withQuery returns a copy of u with one query parameter set.
func withQuery(u *url.URL, name, value string) *url.URL {
	c := *u
	q := c.Query()
	q.Set(name, value)
	c.RawQuery = q.Encode()
	return &c
}

// WithTLS returns an HTTPAuth for scalers that declare TLS settings themselves
// and put credentials on requests themselves. A client certificate is used
// when there is one.
func WithTLS(t *TLS) HTTPAuth {
	a := HTTPAuth{tls: *t}
	if t.HasPair() {
		a.supports, a.modes = []string{AuthTLS}, []string{AuthTLS}
	}
	return a
}

// UsePair chooses the mode tls where a client certificate is given, for
// scalers with a switch of their own for it.
func (a *HTTPAuth) UsePair() {
	if a.tls.HasPair() && !a.Uses(AuthTLS) {
		a.modes = append(a.modes, AuthTLS)
	}
}

// Digest stands for all that proves who asks, revealing none, for the keys of
// batches.
func (a *HTTPAuth) Digest() string {
	return Digest(strings.Join(a.modes, ","), a.tlsDigest(), a.username, a.password.Reveal(), a.bearer.Reveal(), a.apiKey.Reveal(),
		a.method, a.keyName, a.header, a.value.Reveal(), a.oauth.digest())
}

// MapBearer replaces the token of the mode bearer, for servers whose users give
// what a token is made of.
func (a *HTTPAuth) MapBearer(token func(given string) string) {
	if a.Uses(AuthBearer) {
		a.bearer = param.Hide(token(a.bearer.Reveal()))
	}
}

// Basic is the Authorization header of basic authentication, for scalers that
// put credentials on requests themselves.
func Basic(username string, password param.Hidden) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(username+":"+password.Reveal()))
}
