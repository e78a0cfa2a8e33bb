package conn

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// TestUnfollowing: redirects are answers, of one client only.
func TestUnfollowing(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/first" {
			http.Redirect(w, r, "/second", http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL + "/first")
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenHTTP(scaler.Env{Pool: pool.New()}, &HTTPAuth{}, HTTPSettings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	for client, want := range map[*HTTPClient]int{c.Unfollowing(): http.StatusTemporaryRedirect, c: http.StatusOK} {
		got, err := client.Do(t.Context(), NewGet(at, nil), "asking")
		if err != nil || got.Status != want {
			t.Errorf("got %d, %v; expected %d", got.Status, err, want)
		}
	}
}

// TestDigest: what proves who asks changes the digest, and is not in it.
func TestDigest(t *testing.T) {
	digest := func(metadata, auth map[string]string) string {
		a := NewHTTPAuth(AuthBasic, AuthBearer, AuthOAuth)
		if err := a.Params().Decode(param.Values{Metadata: metadata, Auth: auth}).Err(); err != nil {
			t.Fatal(err)
		}
		return a.Digest()
	}
	basic := map[string]string{"authModes": "basic"}
	seen := map[string]string{}
	for name, got := range map[string]string{
		"nothing":   digest(nil, nil),
		"a user":    digest(basic, map[string]string{"username": "a", "password": "b"}),
		"another":   digest(basic, map[string]string{"username": "a", "password": "c"}),
		"a token":   digest(map[string]string{"authModes": "bearer"}, map[string]string{"bearerToken": "b"}),
		"by OAuth":  digest(map[string]string{"authModes": "oauth"}, map[string]string{"oauthTokenURI": "https://x", "clientID": "a", "clientSecret": "b"}),
		"by OAuth2": digest(map[string]string{"authModes": "oauth"}, map[string]string{"oauthTokenURI": "https://x", "clientID": "a", "clientSecret": "c"}),
	} {
		if before, ok := seen[got]; ok {
			t.Errorf("%s and %s have one digest", name, before)
		}
		seen[got] = name
	}
}
