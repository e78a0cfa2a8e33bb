package conn_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// principal decodes an application's parameters.
func principal(t *testing.T, auth map[string]string) (*conn.AzurePrincipal, param.Problems) {
	t.Helper()
	p := &conn.AzurePrincipal{}
	set := param.Set{
		p.TenantField("tenantId").From(param.Auth), p.ClientField("clientId").From(param.Auth), p.SecretField("clientSecret"),
	}.With(p.CertificateFields("clientCertificate", "clientCertificatePassword"))
	ps := set.Decode(param.Values{Auth: auth})
	return p, append(ps, p.Check()...)
}

// certificate is one with its key, which Entra ID takes when it is of RSA.
func certificate(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "keda"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// signed is a request to Azure with the proof of an identity.
func signed(t *testing.T, id conn.HTTPIdentity) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://azure.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	err = id.Sign(t.Context(), req)
	return req.Header.Get("Authorization"), err
}

// TestAzurePrincipal gets tokens with a secret and with a certificate.
func TestAzurePrincipal(t *testing.T) {
	for name, c := range map[string]struct {
		auth map[string]string
		want func(url.Values) bool
	}{
		"secret": {map[string]string{"clientSecret": "the-secret\n"}, func(form url.Values) bool { return form.Get("client_secret") == "the-secret" }},
		"certificate": {map[string]string{"clientCertificate": certificate(t)}, func(form url.Values) bool {
			return strings.Count(form.Get("client_assertion"), ".") == 2 && form.Get("client_secret") == ""
		}},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFakeAuthority(t)
			f.env.Identity = scaler.Identity{}
			c.auth["tenantId"], c.auth["clientId"] = "the-tenant", "the-client"
			p, ps := principal(t, c.auth)
			if len(ps) > 0 || !p.Given() {
				t.Fatalf("problems %v", ps)
			}
			for range 2 { // the second has the first one's token
				id, err := p.Bearer(f.env, &conn.AzureCloud{}, "https://azure.example/.default")
				if err != nil {
					t.Fatal(err)
				}
				defer id.Close()
				if got, err := signed(t, id); err != nil || got != "Bearer token-of-the-client" {
					t.Errorf("signed with %q, %v", got, err)
				}
			}
			got := f.requests()
			if len(got) != 1 || got[0].Get("tenant") != "the-tenant" || !strings.HasPrefix(got[0].Get("scope"), "https://azure.example/.default") || !c.want(got[0]) {
				t.Errorf("asked for tokens with %v", got)
			}
		})
	}
}

// TestAzurePrincipalDigest: other proofs are other credentials.
func TestAzurePrincipalDigest(t *testing.T) {
	seen := map[string]string{}
	for name, auth := range map[string]map[string]string{
		"a": {"tenantId": "t", "clientId": "c", "clientSecret": "s"}, "b": {"tenantId": "t", "clientId": "c", "clientSecret": "s2"},
		"c": {"tenantId": "t2", "clientId": "c", "clientSecret": "s"}, "d": {"tenantId": "t", "clientId": "c", "clientCertificate": "s"},
	} {
		p, _ := principal(t, auth)
		if other, ok := seen[p.Digest()]; ok || strings.Contains(p.Digest(), "s2") {
			t.Errorf("%s has the digest of %s, or shows the secret", name, other)
		}
		seen[p.Digest()] = name
	}
}

func TestAzurePrincipalRefused(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	bare := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for name, c := range map[string]struct {
		auth      map[string]string
		authority string
		said      string
	}{
		"nothing":        {nil, "", "clientId is missing"},
		"no proof":       {map[string]string{"clientId": "c", "tenantId": "t"}, "", "clientSecret is missing"},
		"no tenant":      {map[string]string{"clientId": "c", "clientSecret": "the-secret"}, "", "tenantId is missing"},
		"no certificate": {map[string]string{"clientId": "c", "tenantId": "t", "clientCertificate": bare}, "", "can't be read"},
		"odd tenant":     {map[string]string{"clientId": "c", "tenantId": "a b", "clientSecret": "the-secret"}, "", "characters that none has"},
		"authority":      {map[string]string{"clientId": "c", "tenantId": "t", "clientSecret": "the-secret"}, "http://login.example/", "no https address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AZURE_AUTHORITY_HOST", c.authority)
			p, _ := principal(t, c.auth)
			_, err := p.Bearer(scaler.Env{Pool: pool.New()}, &conn.AzureCloud{}, "s")
			if scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), c.said) || strings.Contains(err.Error(), "the-secret") {
				t.Errorf("got %v; want Misconfigured with %q", err, c.said)
			}
		})
	}
}

// TestAzurePrincipalExplained: what the authority says of a secret is put in words.
func TestAzurePrincipalExplained(t *testing.T) {
	for code, said := range map[string]string{"AADSTS7000215": "secret is wrong", "AADSTS7000222": "secret has expired"} {
		f := startFakeAuthority(t)
		f.env.Identity = scaler.Identity{}
		f.token = func(w http.ResponseWriter, _ url.Values) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"`+code+`: the-secret"}`)
		}
		p, _ := principal(t, map[string]string{"clientId": "c", "tenantId": "t", "clientSecret": "the-secret"})
		id, err := p.Bearer(f.env, &conn.AzureCloud{}, "https://azure.example/.default")
		if err != nil {
			t.Fatal(err)
		}
		defer id.Close()
		if _, err := signed(t, id); scaler.ReasonOf(err) != scaler.ReasonDenied || !strings.Contains(err.Error(), said) || strings.Contains(err.Error(), "the-secret") {
			t.Errorf("%s: got %v; want Denied with %q", code, err, said)
		}
	}
}

// TestAzureAsk: codes are told, texts are not.
func TestAzureAsk(t *testing.T) {
	status, body := 0, ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Ms-Retry-After-Ms", "1500")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	client, err := conn.OpenHTTP(scaler.Env{Pool: pool.New()}, &conn.HTTPAuth{}, conn.HTTPSettings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int
		body   string
		reason scaler.Reason
		said   string
	}{
		{200, `ok`, "", ""},
		{203, `<html>`, scaler.ReasonDenied, "page to sign in"},
		{400, `{"error": {"code": "A.B", "message": "the-text", "innererror": {"code": "C", "innererror": {"code": "D"}}}}`, scaler.ReasonMisconfigured, "400 Bad Request, A.B, C, D"},
		{400, `{"code": "Top"}`, scaler.ReasonMisconfigured, "400 Bad Request, Top"},
		{404, `{"typeKey": "Gone", "message": "the-text"}`, scaler.ReasonMissing, "404 Not Found, Gone"},
		{403, `the-text`, scaler.ReasonDenied, "403 Forbidden"},
		{403, `{"error": "the-text"}`, scaler.ReasonDenied, "403 Forbidden"},
		{500, `{"error": {"code": "the-<text>"}}`, scaler.ReasonUnreachable, "thetext"},
		{429, ``, scaler.ReasonUnreachable, "429"},
	} {
		status, body = c.status, c.body
		got, err := client.AzureAsk(t.Context(), conn.NewGet(at, nil), "asking")
		if c.reason == "" {
			if err != nil || string(got) != "ok" {
				t.Errorf("got %q, %v", got, err)
			}
			continue
		}
		if scaler.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.said) || strings.Contains(err.Error(), "the-text") {
			t.Errorf("%d: got %v; want %s with %q", c.status, err, c.reason, c.said)
		}
		if wait := scaler.RetryAfterOf(err); (c.status == 429) != (wait == 1500*time.Millisecond) {
			t.Errorf("%d: wait for %v", c.status, wait)
		}
	}
}

// TestAzureEndpoints: one address per cloud.
func TestAzureEndpoints(t *testing.T) {
	for cloud, want := range map[string][]string{
		"":                       {"https://management.azure.com", "https://api.loganalytics.io", "https://api.applicationinsights.io"},
		"AzurePublicCloud":       {"https://management.azure.com", "https://api.loganalytics.io", "https://api.applicationinsights.io"},
		"AzureUSGovernmentCloud": {"https://management.usgovcloudapi.net", "https://api.loganalytics.us", "https://api.applicationinsights.us"},
		"AzureChinaCloud":        {"https://management.chinacloudapi.cn", "https://api.loganalytics.azure.cn", "https://api.applicationinsights.azure.cn"},
	} {
		c, _ := decodeCloud(map[string]string{"cloud": cloud})
		for i, service := range []conn.AzureService{conn.AzureManager, conn.AzureLogs, conn.AzureInsights} {
			if got := c.Endpoint(service).String(); got != want[i] {
				t.Errorf("%s %s: got %s; want %s", cloud, service, got, want[i])
			}
		}
		if got := c.Endpoint(conn.AzureQueue); got != nil {
			t.Errorf("%s: queues have the one address %s", cloud, got)
		}
	}
	c, _ := decodeCloud(map[string]string{"cloud": "Private", "endpointSuffix": "local"})
	if got := c.Endpoint(conn.AzureManager); got != nil {
		t.Errorf("a private cloud has the address %s", got)
	}
}
