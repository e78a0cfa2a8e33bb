package kafka

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

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
	krb        krb
	aws        conn.AWS
	has        struct{ sasl, authMode, username, password, tokenURL bool }
}

func (a *auth) params() param.Set {
	return param.Group("Authentication",
		param.Text("sasl", &a.sasl).From(param.Metadata, param.Auth).Default(saslNone).IsSet(&a.has.sasl).
			OneOf(saslNone, saslPlain, saslSHA256, saslSHA512, saslOAuth, saslGSSAPI, saslMSK).
			Doc("SASL mechanism."),
		param.Text("authMode", &a.authMode).From(param.Auth).OneOf(slices.Sorted(maps.Keys(authModes()))...).IsSet(&a.has.authMode).
			Doc("The mechanism and TLS in one, as keda.k8s.io has it."),
		param.Text("username", &a.username).From(param.Auth).IsSet(&a.has.username).Doc("User name; the client ID for oauthbearer, the principal without its realm for gssapi."),
		param.Secret("password", &a.password).IsSet(&a.has.password).Doc("Password; the client secret for oauthbearer."),
		param.Text("saslTokenProvider", &a.provider).From(param.Metadata, param.Auth).OneOf("bearer", saslMSK).Default("bearer").
			Doc("Who gives the token of oauthbearer: a token endpoint, or the AWS credentials, for Amazon MSK."),
		param.URL("oauthTokenEndpointUri", &a.tokenURL).From(param.Auth).IsSet(&a.has.tokenURL).Doc("Address of the token endpoint, for oauthbearer."),
		param.List("scopes", &a.scopes).From(param.Auth).Doc("Scopes to ask for, separated by commas, for oauthbearer."),
		param.Map("oauthExtensions", &a.extensions).From(param.Auth).Doc("SASL extensions (KIP-342), name=value pairs separated by commas, for oauthbearer."),
	).With(a.krb.params(), a.aws.SigningParams("Region of the Amazon MSK cluster, where AWS credentials sign in."), a.tls.Params())
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
	switch {
	case a.isMSK():
		a.checkMSK(&ps)
	case a.sasl == saslPlain, a.sasl == saslSHA256, a.sasl == saslSHA512:
		need("username", a.has.username)
		need("password", a.has.password)
	case a.sasl == saslOAuth:
		need("username", a.has.username)
		need("password", a.has.password)
		need("oauthTokenEndpointUri", a.has.tokenURL)
		a.checkExtensions(&ps)
	case a.sasl == saslGSSAPI:
		need("username", a.has.username)
		need("realm", a.krb.has.realm)
		need("kerberosConfig", a.krb.has.config)
		a.krb.check(&ps, a.username, a.has.password)
	}
	return append(ps, a.tls.Check()...)
}

// isMSK says whether AWS credentials sign in.
func (a *auth) isMSK() bool {
	return a.sasl == saslMSK || a.sasl == saslOAuth && a.provider == saslMSK
}

// What SASL extensions may be (RFC 7628, 3.1), as brokers check too.
var (
	extensionName  = regexp.MustCompile(`^[A-Za-z]+$`)
	extensionValue = regexp.MustCompile(`^[\x21-\x7E \t\r\n]*$`)
)

func (a *auth) checkExtensions(ps *param.Problems) {
	for _, name := range slices.Sorted(maps.Keys(a.extensions)) {
		if !extensionName.MatchString(name) || strings.EqualFold(name, "auth") {
			ps.Errorf("authenticationRef.oauthExtensions", "has an extension whose name is not allowed; expected letters only, and not auth")
		} else if !extensionValue.MatchString(a.extensions[name]) {
			ps.Errorf("authenticationRef.oauthExtensions", "has a value for %s with characters that are not allowed; expected printable ASCII", name)
		}
	}
}

func (a *auth) checkMSK(ps *param.Problems) {
	a.checkExtensions(ps)
	if a.aws.Region() == "" {
		ps.Errorf("metadata.awsRegion", "is missing; expected the region of the Amazon MSK cluster, such as eu-west-1")
	}
	if !a.tls.Enabled() {
		ps.Errorf("metadata.tls", "found disable; expected enable, since Amazon MSK takes AWS credentials over TLS only")
	}
	*ps = append(*ps, a.aws.Check()...)
}

// digest stands for the credentials in the pool's key, revealing none.
func (a *auth) digest(id scaler.Identity) (string, error) {
	parts := []string{a.tls.Digest(), a.sasl, a.username, a.password.Reveal(), strings.Join(a.scopes, " "), fmt.Sprint(a.extensions), a.krb.digest()}
	if a.tokenURL != nil {
		parts = append(parts, a.tokenURL.String())
	}
	if a.isMSK() {
		aws, err := a.aws.IAMDigest(id)
		if err != nil {
			return "", err
		}
		parts = append(parts, a.provider, aws)
	}
	return conn.Digest(parts...), nil
}

// mechanism returns the client side of SASL, nil for none, and what to close
// with the connection, which may be nil.
func (a *auth) mechanism(env scaler.Env) (sasl.Mechanism, func(), error) {
	if a.isMSK() {
		return a.mskMechanism(env)
	}
	switch a.sasl {
	case saslNone:
		return nil, nil, nil
	case saslGSSAPI:
		return &gssapi{krb: &a.krb, user: a.username, password: a.password, env: env}, nil, nil
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
	return nil, nil, scaler.Misconfigured(nil, "sasl %s is not known", a.sasl)
}

func (a *auth) mskMechanism(env scaler.Env) (sasl.Mechanism, func(), error) {
	credentials, err := a.aws.IAM(env)
	if err != nil {
		return nil, nil, err
	}
	if a.sasl == saslOAuth {
		return mskToken(a.aws.Region(), credentials, a.extensions), nil, nil
	}
	return &mskIAM{region: a.aws.Region(), credentials: credentials, now: time.Now}, nil, nil
}
