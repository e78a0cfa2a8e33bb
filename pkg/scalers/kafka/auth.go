package kafka

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// The values of the parameter sasl.
const (
	saslNone   = "none"
	saslPlain  = "plaintext"
	saslSHA256 = "scram_sha256"
	saslSHA512 = "scram_sha512"
	saslOAuth  = "oauthbearer"
	saslGSSAPI = "gssapi"
	saslMSK    = "aws_msk_iam"
)

// mode is what a value of keda.k8s.io's authMode stands for.
type mode struct {
	sasl string
	tls  bool
}

func authModes() map[string]mode {
	return map[string]mode{
		"none":                  {saslNone, false},
		"sasl_plaintext":        {saslPlain, false},
		"sasl_scram_sha256":     {saslSHA256, false},
		"sasl_scram_sha512":     {saslSHA512, false},
		"sasl_ssl":              {saslPlain, true},
		"sasl_ssl_plain":        {saslPlain, true},
		"sasl_ssl_scram_sha256": {saslSHA256, true},
		"sasl_ssl_scram_sha512": {saslSHA512, true},
		"tls":                   {saslNone, true},
	}
}

// auth are the parameters that say who asks.
type auth struct {
	tls        conn.TLS
	sasl       string
	authMode   string
	username   string
	password   param.Hidden
	provider   string
	tokenURL   *url.URL
	scopes     []string
	extensions map[string]string
	later      struct {
		keytab, krb5                      param.Hidden
		realm, kerberosService, awsRegion string
		disableFAST                       bool
	}
	has struct{ sasl, authMode, username, password, tokenURL bool }
}

func (a *auth) params() param.Set {
	return param.Group("Authentication",
		param.Text("sasl", &a.sasl).From(param.Metadata, param.Auth).Default(saslNone).IsSet(&a.has.sasl).
			OneOf(saslNone, saslPlain, saslSHA256, saslSHA512, saslOAuth, saslGSSAPI, saslMSK).
			Doc("SASL mechanism; gssapi and aws_msk_iam are not supported yet."),
		param.Text("authMode", &a.authMode).From(param.Auth).OneOf(slices.Sorted(maps.Keys(authModes()))...).IsSet(&a.has.authMode).
			Doc("The mechanism and TLS in one, as keda.k8s.io has it."),
		param.Text("username", &a.username).From(param.Auth).IsSet(&a.has.username).Doc("User name; the client ID for oauthbearer."),
		param.Secret("password", &a.password).IsSet(&a.has.password).Doc("Password; the client secret for oauthbearer."),
		param.Text("saslTokenProvider", &a.provider).From(param.Metadata, param.Auth).OneOf("bearer", saslMSK).Default("bearer").
			Doc("Who gives the token of oauthbearer; aws_msk_iam is not supported yet."),
		param.URL("oauthTokenEndpointUri", &a.tokenURL).From(param.Auth).IsSet(&a.has.tokenURL).Doc("Address of the token endpoint, for oauthbearer."),
		param.List("scopes", &a.scopes).From(param.Auth).Doc("Scopes to ask for, separated by commas, for oauthbearer."),
		param.Map("oauthExtensions", &a.extensions).From(param.Auth).Doc("SASL extensions (KIP-342), name=value pairs separated by commas, for oauthbearer."),
		param.Secret("keytab", &a.later.keytab).Doc("Kerberos keytab; gssapi is not supported yet."),
		param.Text("realm", &a.later.realm).From(param.Auth).Doc("Kerberos realm; gssapi is not supported yet."),
		param.Secret("kerberosConfig", &a.later.krb5).Doc("Kerberos configuration; gssapi is not supported yet."),
		param.Text("kerberosServiceName", &a.later.kerberosService).From(param.Auth).Doc("Kerberos service name; gssapi is not supported yet."),
		param.Bool("kerberosDisableFAST", &a.later.disableFAST).From(param.Auth).Default(false).Doc("Whether to turn FAST off; gssapi is not supported yet."),
		param.Text("awsRegion", &a.later.awsRegion).Doc("Region of an Amazon MSK cluster; aws_msk_iam is not supported yet."),
	).With(a.tls.Params())
}

// check finds what the chosen mechanism lacks, and applies authMode.
func (a *auth) check() param.Problems {
	var ps param.Problems
	if m, ok := authModes()[a.authMode]; ok {
		if a.has.sasl && a.sasl != m.sasl {
			ps.Errorf("authenticationRef.authMode", "found %s, which contradicts sasl %s; expected one of them", a.authMode, a.sasl)
		}
		a.sasl = m.sasl
		if m.tls {
			a.tls.Enable()
		}
	}
	need := func(name string, given bool) {
		if !given {
			ps.Errorf("authenticationRef."+name, "is missing; expected a value, since sasl is %s", a.sasl)
		}
	}
	switch a.sasl {
	case saslPlain, saslSHA256, saslSHA512:
		need("username", a.has.username)
		need("password", a.has.password)
	case saslOAuth:
		if a.provider == saslMSK {
			notYet(&ps, "metadata.saslTokenProvider", saslMSK)
			break
		}
		need("username", a.has.username)
		need("password", a.has.password)
		need("oauthTokenEndpointUri", a.has.tokenURL)
	case saslGSSAPI, saslMSK:
		notYet(&ps, "metadata.sasl", a.sasl)
	}
	return append(ps, a.tls.Check()...)
}

func notYet(ps *param.Problems, path, what string) {
	ps.Errorf(path, "found %s, which is not supported yet; expected one of %s", what,
		strings.Join([]string{saslNone, saslPlain, saslSHA256, saslSHA512, saslOAuth + " with the token provider bearer"}, ", "))
}

// digest stands for the credentials in the pool's key, revealing none.
func (a *auth) digest() string {
	parts := []string{a.tls.Digest(), a.sasl, a.username, a.password.Reveal(), strings.Join(a.scopes, " "), fmt.Sprint(a.extensions)}
	if a.tokenURL != nil {
		parts = append(parts, a.tokenURL.String())
	}
	return conn.Digest(parts...)
}

// mechanism returns the client side of SASL, nil for none, and what to close
// with the connection, which may be nil.
func (a *auth) mechanism(env scaler.Env) (sasl.Mechanism, func(), error) {
	switch a.sasl {
	case saslNone:
		return nil, nil, nil
	case saslPlain:
		return plain.Auth{User: a.username, Pass: a.password.Reveal()}.AsMechanism(), nil, nil
	case saslSHA256:
		return scram.Auth{User: a.username, Pass: a.password.Reveal()}.AsSha256Mechanism(), nil, nil
	case saslSHA512:
		return scram.Auth{User: a.username, Pass: a.password.Reveal()}.AsSha512Mechanism(), nil, nil
	case saslOAuth:
		tokens, err := conn.OpenTokens(env, conn.ClientCredentials{
			TokenURL: a.tokenURL, ID: a.username, Secret: a.password, Scopes: a.scopes,
		})
		if err != nil {
			return nil, nil, err
		}
		return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			token, err := tokens.Token(ctx)
			return oauth.Auth{Token: token, Extensions: a.extensions}, err
		}), tokens.Close, nil
	}
	return nil, nil, scaler.Misconfigured(nil, "sasl %s is not supported yet", a.sasl)
}
