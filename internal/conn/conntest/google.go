package conntest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// The service account of every Google.
const (
	GoogleProject = "shop-1"
	GoogleAccount = "keda@shop-1.iam.gserviceaccount.com"
)

// Google hands out tokens for the key of a service account, as Google's own
// token endpoint does, and knows them again.
type Google struct {
	// URL is the token endpoint, Key the key as JSON text.
	URL, Key string

	mu     sync.Mutex // guards what follows
	asked  []url.Values
	valid  map[string]bool
	refuse int
	body   string
}

// StartGoogle runs a token endpoint until the test ends.
func StartGoogle(t testing.TB) *Google {
	t.Helper()
	g := &Google{valid: map[string]bool{}}
	s := httptest.NewServer(http.HandlerFunc(g.serve))
	t.Cleanup(s.Close)
	g.URL, g.Key = s.URL+"/token", GoogleKey(t, s.URL+"/token")
	return g
}

// GoogleKey makes the key of a service account that gets its tokens at an address.
func GoogleKey(t testing.TB, tokenURL string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": GoogleProject, "client_email": GoogleAccount, "token_uri": tokenURL,
		"private_key_id": "1", "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (g *Google) serve(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, r.PostForm)
	w.Header().Set("Content-Type", "application/json")
	if g.refuse != 0 {
		w.WriteHeader(g.refuse)
		_, _ = fmt.Fprint(w, g.body)
		return
	}
	token := fmt.Sprintf("token-%d", len(g.asked))
	g.valid[token] = true
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3599}`, token)
}

// Asked returns the requests so far.
func (g *Google) Asked() []url.Values {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

// Refuse answers further requests with a status and a body; 0 undoes it.
func (g *Google) Refuse(status int, body string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse, g.body = status, body
}

// Revoke makes all tokens handed out so far invalid.
func (g *Google) Revoke() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.valid)
}

// Knows says whether a request carries a token that is valid.
func (g *Google) Knows(r *http.Request) bool {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.valid[token]
}
