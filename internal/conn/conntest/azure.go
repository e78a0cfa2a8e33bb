package conntest

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Azure issues tokens for workload identities, as Microsoft Entra ID does, and
// knows them again. It is the operator's own authority.
type Azure struct {
	// URL is the authority's address; CAFile the authority that its
	// certificate is of, for the HTTP options of who asks.
	URL, CAFile string
	// Pair is a certificate for servers on 127.0.0.1 that CAFile vouches for,
	// and TLS serves with it.
	Pair Pair
	TLS  *tls.Config

	mu      sync.Mutex // guards what follows
	asked   []url.Values
	valid   map[string]bool
	refuse  bool
	seconds int
}

// StartAzure runs an authority until the test ends, and gives the operator's
// environment the variables that Azure Workload Identity sets.
func StartAzure(t testing.TB) *Azure {
	t.Helper()
	const wholeHour = 3600
	ca := NewAuthority(t)
	pair := ca.Issue(t, "authority")
	cert, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	a := &Azure{valid: map[string]bool{}, seconds: wholeHour, Pair: pair, TLS: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}}
	s := httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	s.TLS = a.TLS.Clone()
	s.StartTLS()
	t.Cleanup(s.Close)
	folder := t.TempDir()
	a.URL, a.CAFile = s.URL, filepath.Join(folder, "ca.pem")
	token := filepath.Join(folder, "token")
	for name, content := range map[string]string{a.CAFile: ca.PEM, token: "the-operators-token"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AZURE_AUTHORITY_HOST": s.URL + "/", "AZURE_CLIENT_ID": "operator-client", "AZURE_TENANT_ID": "operator-tenant", "AZURE_FEDERATED_TOKEN_FILE": token,
	} {
		t.Setenv(name, value)
	}
	return a
}

func (a *Azure) serve(w http.ResponseWriter, r *http.Request) {
	tenant := strings.Split(r.URL.Path, "/")[1]
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
		_, _ = fmt.Fprintf(w, `{"issuer":"%[1]s/v2.0","authorization_endpoint":"%[1]s/authorize","token_endpoint":"%[1]s/token"}`, a.URL+"/"+tenant)
		return
	}
	_ = r.ParseForm()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.PostForm)
	if a.refuse {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = fmt.Fprint(w, `{"error":"invalid_client","error_description":"AADSTS700016: not found"}`)
		return
	}
	token := fmt.Sprintf("azure-token-%d", len(a.asked))
	a.valid[token] = true
	_, _ = fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":%d}`, token, a.seconds)
}

// Asked returns the requests for tokens so far.
func (a *Azure) Asked() []url.Values {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// Lasting sets for how many seconds further tokens are good.
func (a *Azure) Lasting(seconds int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seconds = seconds
}

// Refuse answers further requests with a refusal, or not.
func (a *Azure) Refuse(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuse = on
}

// Valid says whether a token is one that was handed out.
func (a *Azure) Valid(token string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.valid[token]
}

// Knows says whether a request carries a token that was handed out.
func (a *Azure) Knows(r *http.Request) bool {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return a.Valid(token)
}
