// Package vault reads values from HashiCorp Vault.
//
// It owns the login: one for each store, renewed or repeated when it ends. It
// follows no redirect to another server, takes nothing from Vault's
// environment variables but what Options say, and returns no text that a
// server wrote.
package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// bodyLimit is the largest answer read, in bytes; Vault itself takes requests
// of at most 32 MiB and secrets of at most 1 MiB.
const bodyLimit = 4 << 20

// Options are the operator's settings.
type Options struct {
	// Env has the pool, the clock and the settings of HTTP clients.
	Env scaler.Env
	// Addresses limits which servers may be asked, by scheme, host and port;
	// any when empty.
	Addresses []string
	// OwnAddress and OwnToken are the operator's own server and token, which is
	// for auth objects that name this server and no token.
	OwnAddress string
	OwnToken   param.Hidden
}

// New returns what opens stores.
func New(o Options) func(secret.VaultAccess) (secret.Store, error) {
	return func(access secret.VaultAccess) (secret.Store, error) { return open(o, access) }
}

// store is one login at one server.
type store struct {
	client  *api.Client
	access  secret.VaultAccess
	host    string
	now     func() time.Time
	release func()
	session session
}

func open(o Options, access secret.VaultAccess) (*store, error) {
	at, err := url.Parse(access.Address)
	switch {
	case err != nil || at.Host == "" || at.User != nil || at.Scheme != "http" && at.Scheme != "https":
		return nil, scaler.Misconfigured(nil, "address: found a value that is no address of Vault; expected one such as https://vault.example.org:8200")
	case len(o.Addresses) > 0 && !slices.ContainsFunc(o.Addresses, func(a string) bool { return sameOrigin(a, at) }):
		return nil, scaler.Misconfigured(nil, "address: found %s, which the operator does not allow; expected one of its --vault-addresses", at.Host)
	}
	listed := append([]string{o.OwnAddress}, o.Addresses...)
	if access.Operators && !slices.ContainsFunc(listed, func(a string) bool { return sameOrigin(a, at) }) {
		return nil, scaler.Misconfigured(nil, "credential.serviceAccount: the operator's token is not shown to %s, which is neither among its --vault-addresses nor its VAULT_ADDR; expected it there, serviceAccountName instead, or a ClusterTriggerAuthentication", at.Host)
	}
	if access.JWT == nil && access.Token.IsZero() {
		if o.OwnToken.IsZero() || !sameOrigin(o.OwnAddress, at) {
			return nil, scaler.Misconfigured(nil, "credential: there is no token; expected tokenFrom or token for authentication token")
		}
		access.Token = o.OwnToken
	}
	shared, release, err := conn.SharedHTTP(o.Env, bodyLimit)
	if err != nil {
		return nil, err
	}
	client, err := newClient(at.String(), access.Namespace, shared)
	if err != nil {
		release()
		return nil, err
	}
	return &store{client: client, access: access, host: at.Host, now: o.Env.Now, release: release}, nil
}

// newClient makes a client that knows nothing of Vault's variables: what they
// hold is the operator's, and the server is of a user's choice.
func newClient(address, namespace string, shared *http.Client) (*api.Client, error) {
	client, err := api.NewClient(&api.Config{
		Address: address, HttpClient: shared, DisableRedirects: true,
		// The next round is soon enough.
		CheckRetry: func(_ context.Context, _ *http.Response, err error) (bool, error) { return false, err },
	})
	if err != nil {
		return nil, scaler.Misconfigured(errors.New("the operator's variables VAULT_… can't be read"), "preparing a client of Vault")
	}
	client.ClearToken()
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	if namespace != "" {
		client.SetNamespace(namespace)
	}
	return client, nil
}

func sameOrigin(a string, b *url.URL) bool {
	u, err := url.Parse(strings.TrimSpace(a))
	return err == nil && strings.EqualFold(u.Scheme, b.Scheme) && strings.EqualFold(u.Host, b.Host)
}

// Close implements secret.Store.
func (s *store) Close() { s.release() }

// group is one request: items with equal ones come from one answer, so that
// the user and the password, or the certificate and the key, belong together.
type group struct {
	path, kind string
	pki        any
}

// Fetch implements secret.Store.
func (s *store) Fetch(ctx context.Context, items []secret.Item) []secret.Fetched {
	out := make([]secret.Fetched, len(items))
	fresh, err := s.enter(ctx)
	if err != nil {
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	answers := s.ask(ctx, items, out, nil)
	if denied(answers) && !fresh && s.access.JWT != nil {
		// The login may have been revoked; once more with another.
		s.session = session{}
		if _, err := s.enter(ctx); err == nil {
			s.ask(ctx, items, out, answers)
		}
	}
	s.keepAlive(out)
	return out
}

// ask requests every group once, but those that before holds a good answer of.
func (s *store) ask(ctx context.Context, items []secret.Item, out []secret.Fetched, before map[group]answer) map[group]answer {
	answers := map[group]answer{}
	for i, it := range items {
		g := group{it.Name, it.Type, it.PKI}
		a, asked := answers[g]
		if b, had := before[g]; had && !asked && b.err == nil {
			a, asked = b, true
		}
		if !asked {
			a = s.request(ctx, it)
		}
		answers[g] = a
		out[i] = a.value(it)
	}
	return answers
}

func denied(answers map[group]answer) bool {
	for _, a := range answers {
		if a.err != nil && scaler.ReasonOf(a.err) == scaler.ReasonDenied {
			return true
		}
	}
	return false
}

// failure classifies an error of the client.
func failure(err error, doing string) error {
	var answered *api.ResponseError
	if !errors.As(err, &answered) {
		if scaler.IsNetwork(err) {
			return conn.NetworkError(err, doing)
		}
		var exchange *url.Error
		if errors.As(err, &exchange) {
			return conn.NetworkError(err, doing)
		}
		return scaler.BadAnswer(errors.New("the answer is not Vault's"), "%s", doing)
	}
	switch answered.StatusCode {
	case http.StatusBadRequest:
		return scaler.Misconfigured(fmt.Errorf("it refused the request (%d); is the role, the path or the type right?", answered.StatusCode), "%s", doing)
	case http.StatusServiceUnavailable:
		return scaler.Unreachable(fmt.Errorf("it is sealed or not ready (%d)", answered.StatusCode), "%s", doing)
	}
	return conn.Answer{Status: answered.StatusCode, Header: http.Header{}}.Err(time.Time{}, doing)
}
