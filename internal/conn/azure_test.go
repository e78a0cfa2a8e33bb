package conn_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
)

const azureAssertion = "the-operators-token"

// fakeAuthority issues tokens and remembers who asked.
type fakeAuthority struct {
	*httptest.Server
	env scaler.Env

	mu    sync.Mutex   // guards what follows
	asked []url.Values // requests for tokens
	token func(w http.ResponseWriter, form url.Values)
}

// startFakeAuthority runs an authority that is the operator's own.
func startFakeAuthority(t *testing.T) *fakeAuthority {
	t.Helper()
	ca := conntest.NewAuthority(t)
	pair := ca.Issue(t, "authority")
	cert, err := tls.X509KeyPair([]byte(pair.Cert), []byte(pair.Key))
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeAuthority{}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	f.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	f.StartTLS()
	t.Cleanup(f.Close)
	folder := t.TempDir()
	for name, content := range map[string]string{"ca.pem": ca.PEM, "token": azureAssertion} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AZURE_AUTHORITY_HOST": f.URL + "/", "AZURE_CLIENT_ID": "operator-client", "AZURE_TENANT_ID": "operator-tenant",
		"AZURE_FEDERATED_TOKEN_FILE": filepath.Join(folder, "token"),
	} {
		t.Setenv(name, value)
	}
	f.env = scaler.Env{
		Pool: pool.New(), Identity: scaler.Identity{Provider: "azure-workload"},
		HTTP: scaler.HTTPOptions{CAFiles: []string{filepath.Join(folder, "ca.pem")}},
	}
	return f
}

func (f *fakeAuthority) serve(w http.ResponseWriter, r *http.Request) {
	tenant := strings.Split(r.URL.Path, "/")[1]
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
		at := f.URL + "/" + tenant
		_, _ = fmt.Fprintf(w, `{"issuer":"%[1]s/v2.0","authorization_endpoint":"%[1]s/authorize","token_endpoint":"%[1]s/token"}`, at)
		return
	}
	_ = r.ParseForm()
	r.PostForm.Set("tenant", tenant)
	f.mu.Lock()
	f.asked = append(f.asked, r.PostForm)
	token := f.token
	f.mu.Unlock()
	if token != nil {
		token(w, r.PostForm)
		return
	}
	_, _ = io.WriteString(w, `{"access_token":"token-of-`+r.PostForm.Get("client_id")+`","token_type":"Bearer","expires_in":3600}`)
}

func (f *fakeAuthority) requests() []url.Values {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func askToken(t *testing.T, env scaler.Env) (string, error) {
	t.Helper()
	c, err := conn.OpenAzureCredential(env, "")
	if err != nil {
		return "", err
	}
	t.Cleanup(c.Close)
	got, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://storage.azure.com/.default"}})
	return got.Token, err
}

func TestAzureWhoAsks(t *testing.T) {
	for name, tc := range map[string]struct {
		identity       scaler.Identity
		client, tenant string
	}{
		"operator":         {scaler.Identity{Provider: "azure-workload"}, "operator-client", "operator-tenant"},
		"another identity": {scaler.Identity{Provider: "azure-workload", ID: "c"}, "c", "operator-tenant"},
		"another tenant":   {scaler.Identity{Provider: "azure-workload", ID: "c", TenantID: "t"}, "c", "t"},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFakeAuthority(t)
			f.env.Identity = tc.identity
			for range 2 { // the second with the token that is held
				if got, err := askToken(t, f.env); err != nil || got != "token-of-"+tc.client {
					t.Fatalf("got %q, %v", got, err)
				}
			}
			asked := f.requests()
			if len(asked) != 1 {
				t.Fatalf("the authority was asked %d times", len(asked))
			}
			got := []string{asked[0].Get("client_id"), asked[0].Get("tenant"), asked[0].Get("client_assertion"), strings.Fields(asked[0].Get("scope"))[0]}
			if diff := cmp.Diff([]string{tc.client, tc.tenant, azureAssertion, "https://storage.azure.com/.default"}, got); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAzureRefusedToken(t *testing.T) {
	const secret = "trace-" + azureAssertion
	for name, tc := range map[string]struct {
		status int
		body   string
		reason scaler.Reason
		wants  []string
		pause  time.Duration
	}{
		"no federated credential": {401, `{"error":"invalid_client","error_description":"AADSTS70021: No match ` + secret + `"}`, scaler.ReasonDenied, []string{"invalid_client", "AADSTS70021", "federated credential"}, 0},
		"unknown code":            {400, `{"error":"invalid_request","error_description":"AADSTS99999: ` + secret + `"}`, scaler.ReasonDenied, []string{"AADSTS99999"}, 0},
		"no JSON":                 {400, secret, scaler.ReasonDenied, []string{"400"}, 0},
		"busy":                    {503, secret, scaler.ReasonUnreachable, []string{"503"}, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFakeAuthority(t)
			f.token = func(w http.ResponseWriter, _ url.Values) {
				if tc.pause > 0 {
					w.Header().Set("Retry-After", "7")
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			}
			_, err := askToken(t, f.env)
			if scaler.ReasonOf(err) != tc.reason || scaler.RetryAfterOf(err) != tc.pause {
				t.Fatalf("got %s after %v: %v", scaler.ReasonOf(err), scaler.RetryAfterOf(err), err)
			}
			for _, w := range append(tc.wants, "https://storage.azure.com") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v does not mention %q", err, w)
				}
			}
			if strings.Contains(err.Error(), azureAssertion) {
				t.Errorf("the error shows what the server sent: %v", err)
			}
		})
	}
}

func TestAzureNoAuthority(t *testing.T) {
	t.Run("nobody listens", func(t *testing.T) {
		f := startFakeAuthority(t)
		f.Close()
		if _, err := askToken(t, f.env); scaler.ReasonOf(err) != scaler.ReasonUnreachable {
			t.Errorf("got %s: %v", scaler.ReasonOf(err), err)
		}
	})
	t.Run("too late", func(t *testing.T) {
		f := startFakeAuthority(t)
		held := make(chan struct{})
		defer close(held)
		f.token = func(http.ResponseWriter, url.Values) { <-held }
		f.env.HTTP.Timeout = 50 * time.Millisecond
		if _, err := askToken(t, f.env); scaler.ReasonOf(err) != scaler.ReasonUnreachable {
			t.Errorf("got %s: %v", scaler.ReasonOf(err), err)
		}
	})
	t.Run("not trusted", func(t *testing.T) {
		f := startFakeAuthority(t)
		f.env.HTTP.CAFiles = nil
		if _, err := askToken(t, f.env); scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("got %s: %v", scaler.ReasonOf(err), err)
		}
	})
	t.Run("link-local", func(t *testing.T) {
		f := startFakeAuthority(t)
		t.Setenv("AZURE_AUTHORITY_HOST", "https://169.254.169.254/")
		if _, err := askToken(t, f.env); scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), "link-local") {
			t.Errorf("got %s: %v", scaler.ReasonOf(err), err)
		}
	})
	t.Run("file gone", func(t *testing.T) {
		f := startFakeAuthority(t)
		t.Setenv("AZURE_FEDERATED_TOKEN_FILE", "/nonexistent/token")
		if _, err := askToken(t, f.env); scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), "AZURE_FEDERATED_TOKEN_FILE") {
			t.Errorf("got %s: %v", scaler.ReasonOf(err), err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		f := startFakeAuthority(t)
		c, err := conn.OpenAzureCredential(f.env, "")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err = c.GetToken(over, policy.TokenRequestOptions{Scopes: []string{"s/.default"}}); scaler.ReasonOf(err) != scaler.ReasonUnreachable || !errors.Is(err, context.Canceled) {
			t.Errorf("got %s: %v", scaler.ReasonOf(err), err)
		}
	})
}

func TestAzureIdentityRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		identity scaler.Identity
		host     string
		unset    string
		want     string
	}{
		"none":                 {identity: scaler.Identity{}, want: "azure-workload"},
		"another cloud's":      {identity: scaler.Identity{Provider: "aws"}, want: "azure-workload"},
		"no client":            {identity: scaler.Identity{Provider: "azure-workload"}, unset: "AZURE_CLIENT_ID", want: "identityId"},
		"no tenant":            {identity: scaler.Identity{Provider: "azure-workload"}, unset: "AZURE_TENANT_ID", want: "identityTenantId"},
		"no token":             {identity: scaler.Identity{Provider: "azure-workload"}, unset: "AZURE_FEDERATED_TOKEN_FILE", want: "AZURE_FEDERATED_TOKEN_FILE"},
		"odd tenant":           {identity: scaler.Identity{Provider: "azure-workload", TenantID: "a/b c"}, want: "tenant"},
		"a tenant's authority": {identity: scaler.Identity{Provider: "azure-workload", AuthorityHost: "https://login.evil.example/"}, want: "shown the operator's token"},
		"a trigger's":          {identity: scaler.Identity{Provider: "azure-workload"}, host: "https://login.evil.example/", want: "shown the operator's token"},
		"hidden in user info":  {identity: scaler.Identity{Provider: "azure-workload"}, host: "https://login.microsoftonline.com@evil.example/", want: "shown the operator's token"},
		"without TLS":          {identity: scaler.Identity{Provider: "azure-workload"}, host: "http://login.microsoftonline.com/", want: "shown the operator's token"},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFakeAuthority(t)
			if tc.unset != "" {
				t.Setenv(tc.unset, "")
			}
			f.env.Identity = tc.identity
			c, err := conn.OpenAzureCredential(f.env, tc.host)
			if err == nil {
				c.Close()
			}
			if err == nil || scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v; want Misconfigured with %q", err, tc.want)
			}
			if got := f.env.Pool.(*pool.Pool).Len(); len(got) != 0 {
				t.Errorf("the pool holds %v", got)
			}
		})
	}
}

func TestAzureCredentialsShare(t *testing.T) {
	f := startFakeAuthority(t)
	other := f.env
	other.Identity.ID = "another"
	var keys []string
	var opened []*conn.AzureCredential
	for _, env := range []scaler.Env{f.env, f.env, other} {
		c, err := conn.OpenAzureCredential(env, "")
		if err != nil {
			t.Fatal(err)
		}
		opened, keys = append(opened, c), append(keys, c.Key)
	}
	if keys[0] != keys[1] || keys[0] == keys[2] || strings.Contains(keys[0], "operator-client") {
		t.Errorf("the keys are %q", keys)
	}
	p := f.env.Pool.(*pool.Pool)
	if got := p.Len(); got["azure-identity"] != 2 || got["http"] != 1 {
		t.Errorf("the pool holds %v", got)
	}
	for _, c := range opened {
		c.Close()
	}
	if got := p.Len(); len(got) != 0 {
		t.Errorf("after closing the pool holds %v", got)
	}
}
