package azurekv

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/internal/secret"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const hidden = "s3cr3t-value"

// azure is a Key Vault and the authority that issues tokens for it.
type azure struct {
	*httptest.Server
	env scaler.Env

	mu        sync.Mutex // guards what follows
	challenge string
	tokens    []string // who asked for a token, and for what
	requests  []string
	refuse    string // what the authority says
	vault     http.HandlerFunc
}

func startAzure(t *testing.T) *azure {
	t.Helper()
	ca := conntest.NewAuthority(t)
	pair := ca.Issue(t, "azure")
	cert, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	a := &azure{challenge: `Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"`}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	a.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	a.StartTLS()
	t.Cleanup(a.Close)
	folder := t.TempDir()
	for name, content := range map[string]string{"ca.pem": ca.PEM, "token": "the-operators-token"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AZURE_AUTHORITY_HOST": a.URL + "/", "AZURE_CLIENT_ID": "operator", "AZURE_TENANT_ID": "tenant", "AZURE_FEDERATED_TOKEN_FILE": filepath.Join(folder, "token"),
	} {
		t.Setenv(name, value)
	}
	a.env = scaler.Env{Pool: pool.New(), HTTP: scaler.HTTPOptions{CAFiles: []string{filepath.Join(folder, "ca.pem")}}}
	return a
}

func (a *azure) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
		at := a.URL + "/" + strings.Split(r.URL.Path, "/")[1]
		_, _ = fmt.Fprintf(w, `{"issuer":"%[1]s/v2.0","authorization_endpoint":"%[1]s/authorize","token_endpoint":"%[1]s/token"}`, at)
	case strings.HasSuffix(r.URL.Path, "/token"):
		_ = r.ParseForm()
		if a.refuse != "" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(a.refuse))
			return
		}
		if s := r.PostForm.Get("client_secret"); s != "" && s != hidden {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		who := r.PostForm.Get("client_id")
		a.tokens = append(a.tokens, strings.Split(r.URL.Path, "/")[1]+" "+who+" "+r.PostForm.Get("scope"))
		_, _ = fmt.Fprintf(w, `{"access_token":"token-of-%s","token_type":"Bearer","expires_in":3600}`, who)
	default:
		a.serveVault(w, r)
	}
}

func (a *azure) serveVault(w http.ResponseWriter, r *http.Request) {
	who := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if who == "" {
		w.Header().Set("WWW-Authenticate", a.challenge)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	a.requests = append(a.requests, who+" "+r.URL.Path)
	if a.vault != nil {
		a.vault(w, r)
		return
	}
	value, ok := map[string]string{"/secrets/db/": hidden, "/secrets/db/2": hidden + "-2", "/secrets/empty/": ""}[r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprintf(w, `{"error":{"code":"SecretNotFound","message":"A secret with %s was not found"}}`, hidden)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"value": value, "id": "https://name.vault.azure.net" + r.URL.Path})
}

// route sends the requests for a vault's name to the fake.
type route struct {
	to     string
	client *http.Client
}

func (r route) Do(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if !strings.HasPrefix(req.URL.Host, "127.0.0.1") {
		req.URL.Host = r.to
	}
	return r.client.Do(req)
}

func (a *azure) application() secret.KeyVaultAccess {
	return secret.KeyVaultAccess{URL: "https://name.vault.azure.net", AuthorityHost: a.URL, ClientID: "client", TenantID: "tenant", ClientSecret: param.Hide(hidden)}
}

func (a *azure) open(t *testing.T, access secret.KeyVaultAccess) secret.Store {
	t.Helper()
	s, err := open(a.env, access, func(o *azcore.ClientOptions) {
		o.Transport = route{strings.TrimPrefix(a.URL, "https://"), a.Client()}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func check(t *testing.T, got secret.Fetched, value string, reason scaler.Reason, text string) {
	t.Helper()
	if got.Value != value || (got.Err == nil) != (text == "") {
		t.Errorf("got %q, %v; expected %q, an error with %q", got.Value, got.Err, value, text)
	}
	if got.Err != nil && (scaler.ReasonOf(got.Err) != reason || !strings.Contains(got.Err.Error(), text) || strings.Contains(got.Err.Error(), hidden)) {
		t.Errorf("error %s %v; expected %s %q, and no value", scaler.ReasonOf(got.Err), got.Err, reason, text)
	}
}

// TestFetch: as an application and with the operator's identity; equal items
// are asked for once, and one token is enough.
func TestFetch(t *testing.T) {
	for name, who := range map[string]string{"application": "client", "operator": "operator"} {
		t.Run(name, func(t *testing.T) {
			a := startAzure(t)
			access := a.application()
			if who == "operator" {
				access = secret.KeyVaultAccess{URL: access.URL, Identity: scaler.Identity{Provider: "azure-workload"}}
			}
			s := a.open(t, access)
			got := s.Fetch(t.Context(), []secret.Item{{Name: "db"}, {Name: "db", Version: "2"}, {Name: "gone"}, {Name: "db"}, {Name: "empty"}})
			check(t, got[0], hidden, "", "")
			check(t, got[1], hidden+"-2", "", "")
			check(t, got[2], "", scaler.ReasonMissing, `reading "gone" from the Key Vault name.vault.azure.net: there is no such secret`)
			check(t, got[3], hidden, "", "")
			check(t, got[4], "", "", "")
			if diff := cmp.Diff([]string{"tenant " + who + " https://vault.azure.net/.default openid offline_access profile"}, a.tokens); diff != "" {
				t.Errorf("tokens (-want +got):\n%s", diff)
			}
			from := "token-of-" + who + " /secrets/"
			if diff := cmp.Diff([]string{from + "db/", from + "db/2", from + "gone/", from + "empty/"}, a.requests); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// TestStranger: a server that is no Key Vault gets no token, whatever it asks for.
func TestStranger(t *testing.T) {
	for name, challenge := range map[string]string{
		"another resource": `Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"`,
		"the management":   `Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://management.azure.com"`,
	} {
		t.Run(name, func(t *testing.T) {
			a := startAzure(t)
			a.challenge = challenge
			s := a.open(t, secret.KeyVaultAccess{URL: "https://vault.example.org", Identity: scaler.Identity{Provider: "azure-workload"}})
			check(t, s.Fetch(t.Context(), []secret.Item{{Name: "db"}})[0], "", scaler.ReasonBadAnswer, `reading "db" from the Key Vault vault.example.org`)
			if len(a.tokens)+len(a.requests) > 0 {
				t.Errorf("tokens %v, requests %v; expected none", a.tokens, a.requests)
			}
		})
	}
}

// TestOddChallenges: no answer of a server may end the operator.
func TestOddChallenges(t *testing.T) {
	tests := map[string]struct {
		challenge string
		reason    scaler.Reason
		text      string
	}{
		"none":                          {"", scaler.ReasonDenied, "401"},
		"no resource":                   {"Bearer", scaler.ReasonBadAnswer, "the answer is not that of the Azure service"},
		"an authority without a tenant": {`Bearer authorization="x", resource="https://vault.azure.net"`, scaler.ReasonBadAnswer, "the challenge can't be read"},
		"no address":                    {`Bearer resource="%%"`, scaler.ReasonBadAnswer, "the answer is not that of the Azure service"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := startAzure(t)
			a.challenge = tt.challenge
			check(t, a.open(t, a.application()).Fetch(t.Context(), []secret.Item{{Name: "db"}})[0], "", tt.reason, tt.text)
		})
	}
}

func TestFailures(t *testing.T) {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); _, _ = w.Write([]byte(body)) }
	}
	tests := map[string]struct {
		refuse string
		vault  http.HandlerFunc
		reason scaler.Reason
		text   string
	}{
		"a wrong application": {`{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret ` + hidden + `"}`, nil, scaler.ReasonDenied, "the authority refused the credentials (401), AADSTS7000215"},
		"no permission":       {"", status(403, `{"error":{"code":"Forbidden","message":"`+hidden+`"}}`), scaler.ReasonDenied, "Forbidden"},
		"throttled":           {"", status(429, `{}`), scaler.ReasonUnreachable, "429"},
		"no JSON":             {"", status(200, "<html>"+hidden), scaler.ReasonBadAnswer, "the answer is not that of the Azure service"},
		"no value":            {"", status(200, `{}`), scaler.ReasonBadAnswer, "the answer holds no value"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := startAzure(t)
			a.refuse, a.vault = tt.refuse, tt.vault
			check(t, a.open(t, a.application()).Fetch(t.Context(), []secret.Item{{Name: "db"}})[0], "", tt.reason, tt.text)
		})
	}
}

func TestOpen(t *testing.T) {
	app := func(change func(*secret.KeyVaultAccess)) secret.KeyVaultAccess {
		a := secret.KeyVaultAccess{URL: "https://name.vault.azure.net", ClientID: "client", TenantID: "tenant", ClientSecret: param.Hide(hidden)}
		change(&a)
		return a
	}
	tests := map[string]struct {
		access  secret.KeyVaultAccess
		problem string
	}{
		"the public cloud": {app(func(*secret.KeyVaultAccess) {}), ""},
		"another cloud":    {app(func(a *secret.KeyVaultAccess) { a.Cloud = "AzureUSGovernmentCloud" }), ""},
		"a private cloud": {app(func(a *secret.KeyVaultAccess) {
			a.Cloud, a.ResourceURL, a.AuthorityHost = "Private", "https://r", "https://a"
		}), ""},
		"a private cloud, incomplete":  {app(func(a *secret.KeyVaultAccess) { a.Cloud = "private" }), "keyVaultResourceURL or activeDirectoryEndpoint is missing"},
		"an unknown cloud":             {app(func(a *secret.KeyVaultAccess) { a.Cloud = "AzureMoon" }), `found "AzureMoon"`},
		"an authority without TLS":     {app(func(a *secret.KeyVaultAccess) { a.AuthorityHost = "http://a" }), "expected https"},
		"no TLS":                       {app(func(a *secret.KeyVaultAccess) { a.URL = "http://name.vault.azure.net" }), "vaultUri: found a value that is no address"},
		"no address":                   {app(func(a *secret.KeyVaultAccess) { a.URL = "name" }), "vaultUri: found a value"},
		"a tenant that can't be":       {app(func(a *secret.KeyVaultAccess) { a.TenantID = "a/b" }), "characters that none has"},
		"a podIdentity of another one": {app(func(a *secret.KeyVaultAccess) { a.ClientSecret, a.Identity.Provider = param.Hidden{}, "aws" }), "podIdentity aws gives no Azure credentials"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			env := scaler.Env{Pool: pool.New()}
			s, err := New(env)(tt.access)
			if err == nil {
				s.Close()
			}
			if (err == nil) != (tt.problem == "") || err != nil && (!strings.Contains(err.Error(), tt.problem) || strings.Contains(err.Error(), hidden)) {
				t.Errorf("error %v; expected one with %q", err, tt.problem)
			}
			if left := env.Pool.(*pool.Pool).Len(); len(left) != 0 {
				t.Errorf("still held: %v", left)
			}
		})
	}
}
