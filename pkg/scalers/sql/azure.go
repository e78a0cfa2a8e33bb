package sql

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// token is the podIdentity's way to log in. Its methods do nothing on nil,
// which is a trigger without one.
type token struct {
	credential *conn.AzureCredential
	scope      string
}

// openToken takes the podIdentity's credential from the pool, nil without one.
// It does no network I/O. parameter gave hosts, which must be the service's.
func openToken(env scaler.Env, cloud *conn.AzureCloud, service conn.AzureService, parameter, kind string, hosts []string) (*token, error) {
	switch env.Identity.Provider {
	case "", "none":
		return nil, nil
	case conn.AzureWorkload:
	default:
		return nil, scaler.Misconfigured(nil, "podIdentity %s means nothing to the %s trigger; expected %s, or a user and a password", env.Identity.Provider, kind, conn.AzureWorkload)
	}
	for _, host := range hosts {
		if err := cloud.CheckHost(service, parameter, host); err != nil {
			return nil, err
		}
	}
	credential, err := cloud.Credential(env)
	if err != nil {
		return nil, err
	}
	return &token{credential: credential, scope: cloud.Scope(service)}, nil
}

// noIdentity refuses a podIdentity where the server knows none.
func noIdentity(env scaler.Env, kind string) error {
	if p := env.Identity.Provider; p != "" && p != "none" {
		return scaler.Misconfigured(nil, "podIdentity %s means nothing to the %s trigger; give a user and a password", p, kind)
	}
	return nil
}

// key is equal for tokens that are the same; it reveals none.
func (t *token) key() string {
	if t == nil {
		return ""
	}
	return t.credential.Key + " " + t.scope
}

func (t *token) close() {
	if t != nil {
		t.credential.Close()
	}
}

// get returns a token that is good for a while. Its errors are of package
// scaler.
func (t *token) get(ctx context.Context) (string, error) {
	got, _, err := t.credential.Token(ctx, t.scope)
	return got, err
}

// asPassword puts the token in place of the password, before each connection.
func (t *token) asPassword(ctx context.Context, c *pgx.ConnConfig) (err error) {
	if t != nil {
		c.Password, err = t.get(ctx)
	}
	return err
}

func (c *pgConfig) azureParams() param.Set {
	if c.kind != "postgresql" {
		return nil
	}
	return param.Group("Azure cloud", c.cloud.CloudField())
}

// openToken is the podIdentity's token as a password, nil without one. It is
// shown only to servers that prove that they are Azure's.
func (c *pgConfig) openToken(env scaler.Env, s pgSettings) (*token, error) {
	if c.kind != "postgresql" {
		return nil, noIdentity(env, c.kind)
	}
	parameter := "host"
	if c.given.connection {
		parameter = "connection"
	}
	t, err := openToken(env, &c.cloud, conn.AzurePostgreSQL, parameter, c.kind, s.hosts())
	if t == nil || err != nil {
		return nil, err
	}
	if c.tls.Unsafe() {
		t.close()
		return nil, scaler.Misconfigured(nil, "unsafeSsl is true; expected false with podIdentity %s, since the server is shown the operator's token", env.Identity.Provider)
	}
	s["sslmode"], s["password"] = "verify-full", ""
	return t, nil
}
