package conn

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/sync/singleflight"
	"google.golang.org/api/iamcredentials/v1"
	"google.golang.org/api/option"

	"github.com/kedago/keda/pkg/scaler"
)

const (
	gcpCredentialsVariable = "GOOGLE_APPLICATION_CREDENTIALS"
	gcpPlatformScope       = "https://www.googleapis.com/auth/cloud-platform"
	gcpImpersonation       = "https://iamcredentials.googleapis.com/"
	// gcpTokenRounds is how many requests a token may take: the operator's own,
	// an exchange for another, that of the service account, and one to spare.
	gcpTokenRounds = 4
)

// gcpTokens fetches tokens of one identity and holds one until it expires. It
// is safe for use by several goroutines.
type gcpTokens struct {
	who    gcpIdentity
	scopes []string
	base   http.RoundTripper // for requests of tokens
	limit  time.Duration     // of one request
	read   func(name string) ([]byte, error)
	iam    string // address of the service that impersonates
	flight singleflight.Group

	mu      sync.Mutex // guards held and project; never held while fetching
	held    *oauth2.Token
	project string
}

// newGCPTokens does no I/O. The operator's own credentials may come from a
// link-local address, since no trigger says where they are; a key's may not.
func newGCPTokens(env scaler.Env, who gcpIdentity, scopes []string, base http.RoundTripper) (*gcpTokens, error) {
	t := &gcpTokens{who: who, scopes: scopes, base: base, limit: httpTimeout(env.HTTP), read: env.ReadFile, iam: gcpImpersonation}
	if !who.key.IsZero() {
		if err := checkGCPKey([]byte(who.key.Reveal())); err != nil {
			return nil, err
		}
	}
	if who.operator {
		o := env.HTTP
		o.Trusted, o.DisableKeepAlives = true, true
		own, err := newSharedHTTP(o, &HTTPAuth{})
		if err != nil {
			return nil, err
		}
		t.base = own.Transport
	}
	return t, nil
}

func (t *gcpTokens) doing() string {
	switch {
	case t.who.as != "":
		return "getting a Google Cloud token of " + t.who.as
	case t.who.operator:
		return "getting the operator's own Google Cloud token"
	}
	return "getting a Google Cloud token with the service account's key"
}

// token returns the token held, or one fetched for all who wait for it. The
// fetch outlives a caller that gives up, since others may wait too.
func (t *gcpTokens) token(ctx context.Context) (*oauth2.Token, error) {
	t.mu.Lock()
	held := t.held
	t.mu.Unlock()
	if held.Valid() {
		return held, nil
	}
	fetched := t.flight.DoChan("", func() (any, error) {
		fetch, cancel := context.WithTimeout(context.WithoutCancel(ctx), gcpTokenRounds*t.limit)
		defer cancel()
		got, err := t.fetch(fetch)
		if err != nil {
			return nil, err
		}
		t.mu.Lock()
		t.held = got
		t.mu.Unlock()
		return got, nil
	})
	select {
	case r := <-fetched:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*oauth2.Token), nil
	case <-ctx.Done():
		return nil, scaler.Unreachable(ctx.Err(), "%s", t.doing())
	}
}

// drop forgets a token that the service has refused.
func (t *gcpTokens) drop(refused *oauth2.Token) {
	t.mu.Lock()
	if t.held == refused {
		t.held = nil
	}
	t.mu.Unlock()
}

// fetch gets a new token: the SDK's sources hide network errors in text, so
// the last one is kept beside them.
func (t *gcpTokens) fetch(ctx context.Context) (*oauth2.Token, error) {
	seen := &gcpSeen{base: t.base}
	client := &http.Client{Transport: seen, Timeout: t.limit, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)
	source, err := t.source(ctx, client)
	if err != nil {
		return nil, err
	}
	got, err := source.Token()
	if err != nil {
		return nil, gcpTokenError(err, seen.err, t.doing())
	}
	if got.AccessToken == "" {
		return nil, scaler.BadAnswer(errors.New("the answer holds no token"), "%s", t.doing())
	}
	if t.who.as == "" {
		return got, nil
	}
	return t.impersonate(ctx, client, got)
}

// source is where the identity's tokens come from; it is used once.
func (t *gcpTokens) source(ctx context.Context, client *http.Client) (oauth2.TokenSource, error) {
	scopes := t.scopes
	if t.who.as != "" {
		scopes = []string{gcpPlatformScope}
	}
	if !t.who.operator {
		text, err := t.keyText()
		if err != nil {
			return nil, err
		}
		config, err := google.JWTConfigFromJSON(text, scopes...)
		if err != nil {
			return nil, scaler.Misconfigured(errors.New("the key can't be read"), "%s", t.doing())
		}
		return config.TokenSource(ctx), nil
	}
	if os.Getenv(gcpCredentialsVariable) == "" && !exists(gcpUserFile()) {
		return &gcpMachine{ctx: ctx, client: metadata.NewClient(client), scopes: scopes}, nil
	}
	found, err := google.FindDefaultCredentials(ctx, scopes...)
	if err != nil {
		return nil, scaler.Misconfigured(errors.New("the operator's file of "+gcpCredentialsVariable+" can't be used"), "%s", t.doing())
	}
	return found.TokenSource, nil
}

// keyText is the key, checked also when it comes from a file.
func (t *gcpTokens) keyText() ([]byte, error) {
	if t.who.file == "" {
		return []byte(t.who.key.Reveal()), nil
	}
	const doing = "reading the file with Google Cloud credentials"
	text, err := t.read(t.who.file)
	if err != nil {
		return nil, scaler.Misconfigured(err, doing)
	}
	if err := checkGCPKey(text); err != nil {
		return nil, scaler.Misconfigured(err, doing)
	}
	return text, nil
}

// impersonate exchanges the operator's token for one of the service account.
func (t *gcpTokens) impersonate(ctx context.Context, client *http.Client, own *oauth2.Token) (*oauth2.Token, error) {
	as := *client
	as.Transport = &oauth2.Transport{Source: oauth2.StaticTokenSource(own), Base: client.Transport}
	service, err := iamcredentials.NewService(ctx, option.WithHTTPClient(&as), option.WithEndpoint(t.iam))
	if err != nil {
		return nil, scaler.Misconfigured(err, "%s", t.doing())
	}
	got, err := service.Projects.ServiceAccounts.GenerateAccessToken("projects/-/serviceAccounts/"+t.who.as,
		&iamcredentials.GenerateAccessTokenRequest{Scope: t.scopes}).Context(ctx).Do()
	if err != nil {
		return nil, GCPError(err, t.doing())
	}
	end, err := time.Parse(time.RFC3339, got.ExpireTime)
	if err != nil || got.AccessToken == "" {
		return nil, scaler.BadAnswer(errors.New("the answer holds no token"), "%s", t.doing())
	}
	return &oauth2.Token{AccessToken: got.AccessToken, Expiry: end}, nil
}

// projectID is the project of the key, or the operator's.
func (t *gcpTokens) projectID(ctx context.Context) (string, error) {
	t.mu.Lock()
	known := t.project
	t.mu.Unlock()
	if known != "" {
		return known, nil
	}
	found, err := t.findProject(ctx)
	if err != nil {
		return "", err
	}
	if found == "" {
		return "", scaler.Misconfigured(nil, "the credentials don't say which project they belong to; expected a full resource name such as projects/shop/subscriptions/orders")
	}
	t.mu.Lock()
	t.project = found
	t.mu.Unlock()
	return found, nil
}

func (t *gcpTokens) findProject(ctx context.Context) (string, error) {
	if !t.who.operator {
		text, err := t.keyText()
		if err != nil {
			return "", err
		}
		k, err := readGCPKey(text)
		return k.Project, err
	}
	if p := cmp.Or(os.Getenv("CLOUDSDK_CORE_PROJECT"), os.Getenv("GOOGLE_CLOUD_PROJECT")); p != "" {
		return p, nil
	}
	if file := cmp.Or(os.Getenv(gcpCredentialsVariable), gcpUserFile()); exists(file) {
		var k struct {
			Project string `json:"project_id"`
			Quota   string `json:"quota_project_id"`
		}
		text, err := readSmall(file)
		if err != nil || json.Unmarshal(text, &k) != nil {
			return "", scaler.Misconfigured(errors.New("the operator's file of credentials can't be read"), "finding the operator's own project")
		}
		return cmp.Or(k.Project, k.Quota), nil
	}
	got, err := metadata.NewClient(&http.Client{Transport: t.base, Timeout: t.limit}).ProjectIDWithContext(ctx)
	if err != nil {
		return "", gcpTokenError(err, err, "finding the operator's own project")
	}
	return got, nil
}

// gcpUserFile is where gcloud keeps the credentials of a person.
func gcpUserFile() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".config", "gcloud", "application_default_credentials.json")
}

func exists(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular()
}

// gcpMachine asks the metadata server of the machine or pod. The SDK's own
// source can't be cancelled, and remembers for good when there was none at first.
type gcpMachine struct {
	ctx    context.Context //nolint:containedctx // oauth2.TokenSource has none, and the source is used once
	client *metadata.Client
	scopes []string
}

// Token implements oauth2.TokenSource.
func (m *gcpMachine) Token() (*oauth2.Token, error) {
	q := url.Values{"scopes": {strings.Join(m.scopes, ",")}}
	text, err := m.client.GetWithContext(m.ctx, "instance/service-accounts/default/token?"+q.Encode())
	if err != nil {
		return nil, err
	}
	var got oauth2.Token
	if json.Unmarshal([]byte(text), &got) != nil || got.ExpiresIn <= 0 {
		return nil, errors.New("the metadata server's answer holds no token")
	}
	got.Expiry = time.Now().Add(time.Duration(got.ExpiresIn) * time.Second)
	return &got, nil
}

// gcpSeen remembers the last failed exchange of one fetch.
type gcpSeen struct {
	base http.RoundTripper
	err  error
}

// RoundTrip implements http.RoundTripper.
func (s *gcpSeen) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.base.RoundTrip(req)
	s.err = err
	return resp, err
}

// gcpTransport adds tokens to requests.
type gcpTransport struct {
	base   http.RoundTripper
	tokens *gcpTokens // nil when asking as nobody
}

// gcpBodyLimit is the largest answer read, in bytes: 1,000 objects with names
// of 1 KiB have about 1 MB.
const gcpBodyLimit = 32 << 20

// RoundTrip implements http.RoundTripper.
func (t *gcpTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	var token *oauth2.Token
	if t.tokens != nil {
		got, err := t.tokens.token(req.Context())
		if err != nil {
			if req.Body != nil {
				_ = req.Body.Close()
			}
			return nil, err
		}
		req, token = req.Clone(req.Context()), got
		got.SetAuthHeader(req)
	}
	resp, err := t.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized && token != nil {
		t.tokens.drop(token)
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: gcpBodyLimit}
	return resp, nil
}
