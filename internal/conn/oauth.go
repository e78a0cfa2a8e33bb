package conn

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/sync/singleflight"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// oauthParams are the parameters of OAuth 2 client credentials.
type oauthParams struct {
	tokenURL *url.URL
	clientID string
	secret   param.Hidden
	scopes   []string
	extra    string

	has struct{ tokenURL, clientID, secret bool }
}

func (o *oauthParams) params() param.Set {
	return param.Set{
		param.URL("oauthTokenURI", &o.tokenURL).From(param.Auth).IsSet(&o.has.tokenURL).Doc("Address of the token endpoint, for the mode oauth."),
		param.Text("clientID", &o.clientID).From(param.Auth).IsSet(&o.has.clientID).Doc("Client ID, for the mode oauth."),
		param.Secret("clientSecret", &o.secret).IsSet(&o.has.secret).Doc("Client secret, for the mode oauth."),
		param.List("scopes", &o.scopes).From(param.Auth).Doc("Scopes to ask for, for the mode oauth."),
		param.Text("endpointParams", &o.extra).From(param.Auth).
			Doc("Further parameters of the token request in URL encoding, e.g. audience=a&resource=b, for the mode oauth."),
	}
}

func (o *oauthParams) check() param.Problems {
	var ps param.Problems
	for _, f := range []struct {
		name  string
		given bool
	}{{"oauthTokenURI", o.has.tokenURL}, {"clientID", o.has.clientID}, {"clientSecret", o.has.secret}} {
		if !f.given {
			ps.Errorf("authenticationRef."+f.name, "is missing; expected a value, since authModes has oauth")
		}
	}
	if _, err := url.ParseQuery(o.extra); err != nil {
		ps.Errorf("authenticationRef.endpointParams", "found a value; expected URL encoding such as audience=a&resource=b")
	}
	return ps
}

// digest is "" without an address for tokens.
func (o *oauthParams) digest() string {
	if o.tokenURL == nil {
		return ""
	}
	return Digest(o.tokenURL.String(), o.clientID, o.secret.Reveal(), strings.Join(o.scopes, " "), o.extra)
}

// tokenCache holds one token for all sources with the same client credentials.
type tokenCache struct {
	config clientcredentials.Config
	client *http.Client
	limit  time.Duration
	flight singleflight.Group

	mu   sync.Mutex // guards held; never held while fetching
	held *oauth2.Token
}

func (o *oauthParams) newCache(client *http.Client, limit time.Duration) (*tokenCache, error) {
	extra, err := url.ParseQuery(o.extra)
	if err != nil {
		return nil, errors.New("endpointParams is not in URL encoding")
	}
	return &tokenCache{client: client, limit: limit, config: clientcredentials.Config{
		ClientID: o.clientID, ClientSecret: o.secret.Reveal(), TokenURL: o.tokenURL.String(),
		Scopes: o.scopes, EndpointParams: extra,
	}}, nil
}

// token returns the token held, or one fetched for all who wait for it. The
// fetch outlives a caller that gives up, since others may wait too.
func (c *tokenCache) token(ctx context.Context) (*oauth2.Token, error) {
	c.mu.Lock()
	held := c.held
	c.mu.Unlock()
	if held.Valid() {
		return held, nil
	}
	fetched := c.flight.DoChan("", func() (any, error) {
		fetch, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.limit)
		defer cancel()
		t, err := c.config.Token(context.WithValue(fetch, oauth2.HTTPClient, c.client))
		if err != nil {
			return nil, c.failure(err)
		}
		c.mu.Lock()
		c.held = t
		c.mu.Unlock()
		return t, nil
	})
	select {
	case r := <-fetched:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*oauth2.Token), nil
	case <-ctx.Done():
		return nil, scaler.Unreachable(ctx.Err(), "%s", c.doing())
	}
}

// drop forgets a token that the source has refused.
func (c *tokenCache) drop() {
	c.mu.Lock()
	c.held = nil
	c.mu.Unlock()
}

func (c *tokenCache) doing() string {
	u, err := url.Parse(c.config.TokenURL)
	if err != nil {
		return "fetching an OAuth token"
	}
	return "fetching an OAuth token from " + u.Host
}

// failure names what went wrong without the body that the library's own
// error text carries.
func (c *tokenCache) failure(err error) error {
	var refused *oauth2.RetrieveError
	var exchange *url.Error
	if errors.As(err, &exchange) {
		return networkError(err, c.doing())
	}
	if !errors.As(err, &refused) { // the decoder's text may quote the answer
		return scaler.BadAnswer(errors.New("the answer holds no token"), "%s", c.doing())
	}
	said := fmt.Errorf("the server answered %d", refused.Response.StatusCode)
	// The codes of RFC 6749, 5.2; any other text could be anything.
	codes := []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
	if slices.Contains(codes, refused.ErrorCode) {
		said = fmt.Errorf("%w, %s", said, refused.ErrorCode)
	}
	if s := refused.Response.StatusCode; s >= 500 || s == http.StatusTooManyRequests {
		return scaler.Unreachable(said, "%s", c.doing())
	}
	return scaler.Denied(said, "%s", c.doing())
}
