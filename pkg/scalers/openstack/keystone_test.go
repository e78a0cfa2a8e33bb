package openstack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// cloud is Keystone below /identity and any service elsewhere.
type cloud struct {
	*httptest.Server

	mu      sync.Mutex // guards what follows
	asked   []string
	made    int           // tokens
	good    time.Duration // for how long tokens are good
	refuse  string        // a token that services refuse
	answer  func(w http.ResponseWriter, r *http.Request)
	catalog string
}

func newCloud(t testing.TB, answer func(w http.ResponseWriter, r *http.Request)) *cloud {
	t.Helper()
	c := &cloud{answer: answer, good: time.Hour, catalog: `[]`}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

// ServeHTTP implements http.Handler.
func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.URL, body)))
	if strings.HasPrefix(r.URL.Path, "/identity/") {
		c.made++
		w.Header().Set("X-Subject-Token", fmt.Sprintf("token-%d", c.made))
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"token": {"expires_at": %q, "catalog": %s}}`, time.Now().Add(c.good).UTC().Format(time.RFC3339Nano), c.catalog)
		return
	}
	if got := r.Header.Get("X-Auth-Token"); got != fmt.Sprintf("token-%d", c.made) || got == c.refuse {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	c.answer(w, r)
}

func (c *cloud) seen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.asked
	c.asked = nil
	return got
}

func asUser(more ...string) map[string]string {
	return scalertest.Given(map[string]string{"userID": "1f0c2781", "password": "password-of-keda"}, more...)
}

// open opens a trigger of a kind at the cloud.
func (c *cloud) open(t testing.TB, kind int, pool scaler.Pool, v param.Values) scaler.Source {
	t.Helper()
	config := Kinds()[kind].New()
	v.Auth = scalertest.Given(v.Auth, "authURL", c.URL+"/identity")
	return scalertest.Open(t, config, v, scaler.Env{Pool: pool})
}

func (c *cloud) metric(t testing.TB, pool scaler.Pool, auth map[string]string) scaler.Source {
	t.Helper()
	return c.open(t, 0, pool, param.Values{Metadata: metricOf(c.URL + "/v1/metric"), Auth: auth})
}

func metricOf(at string) map[string]string {
	return map[string]string{"metricsURL": at, "metricID": "003bb589", "aggregationMethod": "mean", "granularity": "300", "threshold": "5"}
}

func measures(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `[["2026-01-01T00:00:00+00:00", 300.0, 7], ["2026-01-01T00:05:00+00:00", 300.0, 2.5]]`)
}

// TestTokenRequests: users and application credentials are told apart.
func TestTokenRequests(t *testing.T) {
	for name, c := range map[string]struct {
		auth map[string]string
		want string
	}{
		"user": {asUser(), `{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"1f0c2781","password":"password-of-keda"}}}}}`},
		"user of a project": {asUser("projectID", "b161"),
			`{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"1f0c2781","password":"password-of-keda"}}},"scope":{"project":{"id":"b161"}}}}`},
		"application credential": {map[string]string{"appCredentialID": "9f2c", "appCredentialSecret": "secret-of-keda", "projectID": "b161"},
			`{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"9f2c","secret":"secret-of-keda"}}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			at := newCloud(t, measures)
			if r, err := at.metric(t, &scalertest.Pool{}, c.auth).Measure(t.Context()); err != nil || r.Value != 2.5 {
				t.Fatalf("measured %v, %v", r, err)
			}
			if got, want := at.seen()[0], "POST /identity/v3/auth/tokens "+c.want; got != want {
				t.Errorf("asked %s\nexpected %s", got, want)
			}
		})
	}
}

// TestTokensAreShared: one token serves all triggers of a credential, also of
// the other kind, until it ends or is refused.
func TestTokensAreShared(t *testing.T) {
	at := newCloud(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.Header().Set("X-Container-Object-Count", "3")
			return
		}
		measures(w, r)
	})
	pool := &scalertest.Pool{}
	first, second := at.metric(t, pool, asUser()), at.metric(t, pool, asUser())
	third := at.open(t, 1, pool, param.Values{Metadata: map[string]string{"swiftURL": at.URL + "/v1/AUTH_1", "containerName": "new"}, Auth: asUser()})
	for _, s := range []scaler.Source{first, second, third, first} {
		if _, err := s.Measure(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if at.made != 1 {
		t.Errorf("%d tokens were made; expected 1", at.made)
	}
	if _, err := at.metric(t, pool, asUser("projectID", "b161")).Measure(t.Context()); err != nil || at.made != 2 {
		t.Errorf("%d tokens were made for two projects, %v; expected 2", at.made, err)
	}

	at.refuse = "token-2"
	other := at.metric(t, pool, asUser("projectID", "b161"))
	if _, err := other.Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonDenied {
		t.Errorf("got %v for a token that is refused; expected %s", err, scaler.ReasonDenied)
	}
	if _, err := other.Measure(t.Context()); err != nil || at.made != 3 {
		t.Errorf("%d tokens were made after one was refused, %v; expected 3", at.made, err)
	}
}

// TestTokensAreRenewed: a token is not used until its very end.
func TestTokensAreRenewed(t *testing.T) {
	at := newCloud(t, measures)
	at.good = 30 * time.Second
	s := at.metric(t, &scalertest.Pool{}, asUser())
	for want := 1; want <= 3; want++ {
		if _, err := s.Measure(t.Context()); err != nil || at.made != want {
			t.Errorf("%d tokens, %v; expected %d", at.made, err, want)
		}
	}
}

// TestBadKeystone: what is no token is said, without what was sent.
func TestBadKeystone(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		token  string
		answer string
		reason scaler.Reason
		said   string
	}{
		"refused":     {401, "", `{"error": {"message": "hunter2"}}`, scaler.ReasonDenied, "401"},
		"no token":    {201, "", `{"token": {"expires_at": "2026-01-01T00:00:00.000000Z"}}`, scaler.ReasonBadAnswer, "no token"},
		"no end":      {201, "a", `{"token": {}}`, scaler.ReasonBadAnswer, "no token"},
		"no JSON":     {201, "a", `hunter2`, scaler.ReasonBadAnswer, "not the JSON expected"},
		"not there":   {404, "", ``, scaler.ReasonMissing, "404"},
		"maintenance": {503, "", ``, scaler.ReasonUnreachable, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.token != "" {
					w.Header().Set("X-Subject-Token", c.token)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
			}))
			t.Cleanup(server.Close)
			at := &cloud{Server: server}
			_, err := at.metric(t, &scalertest.Pool{}, asUser()).Measure(t.Context())
			if scaler.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.said) || !strings.Contains(err.Error(), "Keystone") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v; expected %s with %q", err, c.reason, c.said)
			}
		})
	}
}

// TestCallerGivesUp: who waits for a token stops with its context, and the
// token that comes is kept for the next.
func TestCallerGivesUp(t *testing.T) {
	at := newCloud(t, measures)
	s := at.metric(t, &scalertest.Pool{}, asUser())
	at.mu.Lock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Measure(ctx)
	at.mu.Unlock()
	if scaler.ReasonOf(err) != scaler.ReasonUnreachable {
		t.Errorf("got %v; expected %s", err, scaler.ReasonUnreachable)
	}
	if _, err := s.Measure(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAuthURL(t *testing.T) {
	for text, want := range map[string]string{
		"http://k:5000": "http://k:5000/v3/auth/tokens", "http://k:5000/": "http://k:5000/v3/auth/tokens",
		"https://k/identity/v3/": "https://k/identity/v3/auth/tokens", "https://k/v3?x=y": "https://k/v3/auth/tokens",
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&keystone{url: u}).endpoint().String(); got != want {
			t.Errorf("%s gives %s; expected %s", text, got, want)
		}
	}
}

// TestFind: the catalog's public endpoint of the region.
func TestFind(t *testing.T) {
	var k token
	const catalog = `[{"type": "image", "endpoints": [{"interface": "public", "region": "north", "url": "http://image"}]},
		{"type": "object-store", "endpoints": [
			{"interface": "internal", "region": "north", "url": "http://inside/v1/AUTH_1"},
			{"interface": "public", "region": "north", "url": "http://north/v1/AUTH_1"},
			{"interface": "public", "region_id": "south", "url": "http://south/v1/AUTH_1"},
			{"interface": "public", "region": "odd", "url": "ftp://odd"}]}]`
	if err := json.Unmarshal([]byte(catalog), &k.catalog); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, region := range []string{"", "north", "south", "odd", "east"} {
		u, err := k.find("object-store", region)
		if got[region] = fmt.Sprint(err); err == nil {
			got[region] = u.Host
		}
	}
	if diff := cmp.Diff(map[string]string{
		"": "north", "north": "north", "south": "south",
		"odd":  "the catalog has an endpoint that is no http or https address",
		"east": "the catalog has no public endpoint of the type object-store in that region",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestChecks: credentials that don't fit each other are found before a request.
func TestChecks(t *testing.T) {
	for name, c := range map[string]struct {
		auth map[string]string
		said string
	}{
		"none":                 {map[string]string{}, "userID: is missing"},
		"user without":         {map[string]string{"userID": "a"}, "password: is missing"},
		"credential without":   {map[string]string{"appCredentialID": "a"}, "appCredentialSecret: is missing"},
		"user and credential":  {asUser("appCredentialID", "a", "appCredentialSecret", "b"), "beside userID"},
		"neither has its name": {map[string]string{"appCredentialSecret": "b"}, "userID: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			for kind, metadata := range []map[string]string{metricOf("http://a"), {"containerName": "new", "swiftURL": "http://a/v1/b"}} {
				found := scaler.Decode(Kinds()[kind].New(), param.Values{Metadata: metadata, Auth: scalertest.Given(c.auth, "authURL", "http://keystone.example")})
				if len(found) != 1 || !strings.Contains(fmt.Sprint(found), c.said) {
					t.Errorf("got %v; expected one with %q", found, c.said)
				}
			}
		})
	}
}
