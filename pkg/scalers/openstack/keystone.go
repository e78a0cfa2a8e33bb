package openstack

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const (
	// catalogLimit is the largest answer of Keystone's that is read, in bytes:
	// the catalog has a few endpoints of each service and region.
	catalogLimit = 4 << 20
	// renewBefore is how long before its end a token is no longer used.
	renewBefore = time.Minute
)

// keystone are the parameters that say who asks.
type keystone struct {
	url                  *url.URL
	user                 string
	password             param.Hidden
	project              string
	credential           string
	secret               param.Hidden
	hasUser, hasPassword bool
	hasID, hasSecret     bool
}

func (k *keystone) params() param.Set {
	return param.Group("Authentication",
		param.URL("authURL", &k.url).From(param.Auth).Required().Example("https://keystone.example.com:5000").
			Doc("Address of Keystone, without `/v3`."),
		param.Text("userID", &k.user).From(param.Auth).IsSet(&k.hasUser).Doc("ID of the user; either this or appCredentialID."),
		param.Secret("password", &k.password).IsSet(&k.hasPassword).Doc("Password of the user."),
		param.Text("projectID", &k.project).From(param.Auth).Doc("ID of the project that the user's token is for; the user's own default when unset."),
		param.Text("appCredentialID", &k.credential).From(param.Auth).IsSet(&k.hasID).Doc("ID of an application credential; either this or userID."),
		param.Secret("appCredentialSecret", &k.secret).IsSet(&k.hasSecret).Doc("Secret of the application credential."),
	)
}

func (k *keystone) check() param.Problems {
	var ps param.Problems
	switch {
	case k.hasUser && k.hasID:
		ps.Errorf("authenticationRef.appCredentialID", "is there beside userID; expected one of them")
	case k.hasUser && !k.hasPassword:
		ps.Errorf("authenticationRef.password", "is missing; expected a value, since userID is given")
	case k.hasID && !k.hasSecret:
		ps.Errorf("authenticationRef.appCredentialSecret", "is missing; expected a value, since appCredentialID is given")
	case !k.hasUser && !k.hasID:
		ps.Errorf("authenticationRef.userID", "is missing; expected a value, or appCredentialID")
	}
	return ps
}

// endpoint is where tokens are made.
func (k *keystone) endpoint() *url.URL {
	base := *k.url
	base.Path, base.RawPath, base.RawQuery, base.Fragment = strings.TrimSuffix(strings.TrimSuffix(base.Path, "/"), "/v3"), "", "", ""
	return base.JoinPath("v3", "auth", "tokens")
}

type idAndSecret struct {
	ID       string `json:"id"`
	Password string `json:"password,omitempty"`
	Secret   string `json:"secret,omitempty"`
}

type user struct {
	User idAndSecret `json:"user"`
}

type identity struct {
	Methods    []string     `json:"methods"`
	Password   *user        `json:"password,omitempty"`
	Credential *idAndSecret `json:"application_credential,omitempty"`
}

type scope struct {
	Project struct {
		ID string `json:"id"`
	} `json:"project"`
}

// tokenRequest is what Keystone is asked with:
// https://docs.openstack.org/api-ref/identity/v3/#authentication-and-token-management
type tokenRequest struct {
	Auth struct {
		Identity identity `json:"identity"`
		Scope    *scope   `json:"scope,omitempty"`
	} `json:"auth"`
}

func (k *keystone) request() tokenRequest {
	var r tokenRequest
	if k.credential != "" { // it has its project
		r.Auth.Identity = identity{Methods: []string{"application_credential"}, Credential: &idAndSecret{ID: k.credential, Secret: k.secret.Reveal()}}
		return r
	}
	r.Auth.Identity = identity{Methods: []string{"password"}, Password: &user{User: idAndSecret{ID: k.user, Password: k.password.Reveal()}}}
	if k.project != "" {
		r.Auth.Scope = &scope{}
		r.Auth.Scope.Project.ID = k.project
	}
	return r
}

// token is Keystone's, with the catalog of what it is good for.
type token struct {
	value   string
	expires time.Time
	catalog []service
}

type service struct {
	Type      string `json:"type"`
	Endpoints []struct {
		Interface string `json:"interface"`
		Region    string `json:"region"`
		RegionID  string `json:"region_id"`
		URL       string `json:"url"`
	} `json:"endpoints"`
}

// find is the first public endpoint of a service, in a region unless that is empty.
func (t *token) find(kind, region string) (*url.URL, error) {
	for _, s := range t.catalog {
		if s.Type != kind {
			continue
		}
		for _, e := range s.Endpoints {
			if e.Interface != "public" || region != "" && region != e.Region && region != e.RegionID {
				continue
			}
			if u, err := conn.ParseAddresses([]string{e.URL}); err == nil {
				return u[0], nil
			}
			return nil, errors.New("the catalog has an endpoint that is no http or https address")
		}
	}
	where := "in any region"
	if region != "" {
		where = "in that region"
	}
	return nil, errors.New("the catalog has no public endpoint of the type " + kind + " " + where)
}

// tokens is what the pool holds: one token for all sources of a credential.
type tokens struct {
	flight singleflight.Group

	mu   sync.Mutex // guards held; never held while fetching
	held *token
}

// drop forgets a token that a service has refused.
func (t *tokens) drop(value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held != nil && t.held.value == value {
		t.held = nil
	}
}

// session puts tokens on a source's requests. It implements conn.HTTPIdentity.
type session struct {
	keystone *keystone
	shared   *tokens
	release  func()
	client   *conn.HTTPClient
}

var _ conn.HTTPIdentity = (*session)(nil)

// openSession takes the tokens from the pool. It does no network I/O.
func (k *keystone) openSession(env scaler.Env, timeout time.Duration) (*session, error) {
	client, err := conn.OpenHTTP(env, &conn.HTTPAuth{}, conn.HTTPSettings{Timeout: timeout, BodyLimit: catalogLimit})
	if err != nil {
		return nil, err
	}
	key := scaler.PoolKey{
		Driver: "keystone", Address: k.endpoint().String(),
		Credentials: conn.Digest(k.user, k.password.Reveal(), k.project, k.credential, k.secret.Reveal()),
	}
	shared, release, err := scaler.Lease(env.Pool, key, func() (*tokens, error) { return &tokens{}, nil })
	if err != nil {
		_ = client.Close()
		return nil, scaler.Misconfigured(err, "preparing tokens of Keystone")
	}
	return &session{keystone: k, shared: shared, release: release, client: client}, nil
}

// Close implements conn.HTTPIdentity.
func (s *session) Close() {
	s.release()
	_ = s.client.Close()
}

// Sign implements conn.HTTPIdentity.
func (s *session) Sign(ctx context.Context, req *http.Request) error {
	t, err := s.token(ctx)
	if err != nil {
		return err
	}
	req.Header.Set("X-Auth-Token", t.value)
	return nil
}

// Refused implements conn.HTTPIdentity.
func (s *session) Refused(req *http.Request) { s.shared.drop(req.Header.Get("X-Auth-Token")) }

func (s *session) doing() string { return "getting a token of Keystone at " + s.keystone.url.Host }

// token is the one held, or one that is fetched for all who wait for it. The
// fetch outlives a caller that gives up, since others may wait too.
func (s *session) token(ctx context.Context) (*token, error) {
	s.shared.mu.Lock()
	held := s.shared.held
	s.shared.mu.Unlock()
	if held != nil && held.expires.After(s.client.Now().Add(renewBefore)) {
		return held, nil
	}
	fetched := s.shared.flight.DoChan("", func() (any, error) {
		t, err := s.fetch(context.WithoutCancel(ctx)) // the client limits the time
		if err == nil {
			s.shared.mu.Lock()
			s.shared.held = t
			s.shared.mu.Unlock()
		}
		return t, err
	})
	select {
	case r := <-fetched:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*token), nil
	case <-ctx.Done():
		return nil, scaler.Unreachable(ctx.Err(), "%s", s.doing())
	}
}

func (s *session) fetch(ctx context.Context) (*token, error) {
	req, err := conn.NewPostJSON(s.keystone.endpoint(), nil, s.keystone.request())
	if err != nil {
		return nil, scaler.Misconfigured(err, "%s", s.doing())
	}
	got, err := s.client.Do(ctx, req, s.doing())
	if err != nil {
		return nil, err
	}
	if err := got.Err(s.client.Now(), s.doing()); err != nil {
		return nil, err
	}
	var body struct {
		Token struct {
			Expires time.Time `json:"expires_at"`
			Catalog []service `json:"catalog"`
		} `json:"token"`
	}
	if err := conn.DecodeJSON(got.Body, &body, s.doing()); err != nil {
		return nil, err
	}
	value := got.Header.Get("X-Subject-Token")
	if value == "" || body.Token.Expires.IsZero() {
		return nil, scaler.BadAnswer(errors.New("the answer holds no token with an end; expected Keystone v3"), "%s", s.doing())
	}
	return &token{value: value, expires: body.Token.Expires, catalog: body.Token.Catalog}, nil
}

// timeoutParam declares the time limit of a request, which upstream counts in seconds.
func timeoutParam(dst *time.Duration) *param.Field {
	return param.Duration("timeout", dst, time.Second).Min(0.001).Default(30).
		Doc("How long to wait for an answer, in seconds or as a duration such as 5s.")
}
