package rabbitmq

import (
	"context"
	"regexp"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
)

// tokenEarly is how long before its token ends a connection is replaced.
const tokenEarly = time.Minute

var (
	applicationID  = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	applicationURI = regexp.MustCompile(`^api://[A-Za-z0-9][A-Za-z0-9._/-]*$`)
)

// tokenScope is what a token for an application is asked for. The server is
// any, and is shown the operator's token, so the application must be of the
// organisation's own: none of Microsoft's services has an address of this
// form, but for the one by which identities are exchanged.
func tokenScope(resource string) (scope string, ok bool) {
	uri := strings.TrimSuffix(resource, "/.default")
	if applicationID.MatchString(uri) {
		uri = "api://" + uri
	}
	if !applicationURI.MatchString(uri) || strings.HasPrefix(strings.ToLower(uri), "api://azureadtokenexchange") {
		return "", false
	}
	return uri + "/.default", true
}

// scope is that of a resource that Check has accepted.
func (c *config) scope() string {
	s, _ := tokenScope(c.resource)
	return s
}

// checkIdentity refuses half of what a token needs.
func (c *config) checkIdentity(env scaler.Env) error {
	switch p := env.Identity.Provider; p {
	case "", "none":
		if c.resource != "" {
			return scaler.Misconfigured(nil, "workloadIdentityResource is given without a podIdentity; expected the provider %s in the authenticationRef", conn.AzureWorkload)
		}
	case conn.AzureWorkload:
		if c.resource == "" {
			return scaler.Misconfigured(nil, "workloadIdentityResource is missing; expected the application that stands for the server, such as api://rabbitmq, since podIdentity is %s", p)
		}
	default:
		return scaler.Misconfigured(nil, "podIdentity %s means nothing to a rabbitmq trigger; expected %s, or username and password", p, conn.AzureWorkload)
	}
	return nil
}

// digest stands for all that says who asks.
func (c *config) digest(env scaler.Env) string {
	if c.resource == "" {
		return c.at.digest(&c.tls)
	}
	id := env.Identity
	return conn.Digest(c.at.digest(&c.tls), c.scope(), id.ID, id.TenantID, id.AuthorityHost)
}

// token logs in by AMQP: RabbitMQ's OAuth 2 plug-in takes it as the password.
type token struct {
	credential  *conn.AzureCredential
	scope, user string
}

// openToken takes the credential of the podIdentity from the pool, nil without
// a resource. It does no network I/O.
func (c *config) openToken(env scaler.Env) (*token, error) {
	if c.resource == "" {
		return nil, nil
	}
	credential, err := (&conn.AzureCloud{}).Credential(env)
	if err != nil {
		return nil, err
	}
	return &token{credential: credential, scope: c.scope(), user: c.at.user}, nil
}

func (t *token) close() {
	if t != nil {
		t.credential.Close()
	}
}

// sasl is a login, and when the connection that it opens must be replaced.
func (t *token) sasl(ctx context.Context) ([]amqp.Authentication, time.Time, error) {
	got, end, err := t.credential.Token(ctx, t.scope)
	if err != nil {
		return nil, time.Time{}, err
	}
	return []amqp.Authentication{&amqp.PlainAuth{Username: t.user, Password: got}}, end.Add(-tokenEarly), nil
}
