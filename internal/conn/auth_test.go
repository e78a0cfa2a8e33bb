package conn

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func TestCredentialsAreSent(t *testing.T) {
	tests := map[string]struct {
		metadata, auth map[string]string
		want           map[string]string
		query          string
	}{
		"none":   {want: map[string]string{}},
		"basic":  {metadata: map[string]string{"authModes": "basic"}, auth: map[string]string{"username": "u", "password": "p"}, want: map[string]string{"Authorization": "Basic dTpw"}},
		"bearer": {metadata: map[string]string{"authMode": "Bearer"}, auth: map[string]string{"token": "abc"}, want: map[string]string{"Authorization": "Bearer abc"}},
		"custom": {
			metadata: map[string]string{"authModes": "custom"}, auth: map[string]string{"customAuthHeader": "X-Token", "customAuthValue": "v"},
			want: map[string]string{"X-Token": "v"},
		},
		"key in the usual header": {metadata: map[string]string{"authModes": "apiKey"}, auth: map[string]string{"apiKey": "k"}, want: map[string]string{"X-Api-Key": "k"}},
		"key in another header": {
			metadata: map[string]string{"authModes": "apiKey", "keyParamName": "X-Token"}, auth: map[string]string{"apiKey": "k"},
			want: map[string]string{"X-Token": "k"},
		},
		"key in the query": {
			metadata: map[string]string{"authModes": "apiKey", "method": "query"}, auth: map[string]string{"apiKey": "k&x"},
			want: map[string]string{}, query: "a=1&api_key=k%26x",
		},
		"two modes": {
			metadata: map[string]string{"authModes": "custom, basic"},
			auth:     map[string]string{"customAuthHeader": "X-Token", "customAuthValue": "v", "username": "u"},
			want:     map[string]string{"X-Token": "v", "Authorization": "Basic dTo="},
		},
		"not without the mode": {auth: map[string]string{"username": "u", "bearerToken": "b", "apiKey": "k"}, want: map[string]string{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, query := map[string]string{}, ""
			s := server(t, func(_ http.ResponseWriter, r *http.Request) {
				query = r.URL.RawQuery
				for _, h := range []string{"Authorization", "X-Token", "X-Api-Key"} {
					if v := r.Header.Get(h); v != "" {
						got[h] = v
					}
				}
			})
			if _, err := get(client(t, testEnv(), tc.metadata, tc.auth), s.URL+"?a=1"); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if want := tc.query; want != "" && query != want {
				t.Errorf("query %q, want %q", query, want)
			}
		})
	}
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	tests := map[string]struct {
		values param.Values
		want   []string
	}{
		"nothing":          {want: nil},
		"unknown mode":     {values: param.Values{Metadata: map[string]string{"authModes": "barer"}}, want: []string{"metadata.authModes"}},
		"no user":          {values: param.Values{Metadata: map[string]string{"authModes": "basic"}}, want: []string{"authenticationRef.username"}},
		"no token":         {values: param.Values{Metadata: map[string]string{"authModes": "bearer"}}, want: []string{"authenticationRef.bearerToken"}},
		"no pair":          {values: param.Values{Metadata: map[string]string{"authModes": "tls"}}, want: []string{"authenticationRef.cert and key"}},
		"no key":           {values: param.Values{Metadata: map[string]string{"authModes": "apiKey"}}, want: []string{"authenticationRef.apiKey"}},
		"no custom header": {values: param.Values{Metadata: map[string]string{"authModes": "custom"}}, want: []string{"authenticationRef.customAuthHeader", "authenticationRef.customAuthValue"}},
		"no oauth": {
			values: param.Values{Metadata: map[string]string{"authModes": "oauth"}},
			want:   []string{"authenticationRef.oauthTokenURI", "authenticationRef.clientID", "authenticationRef.clientSecret"},
		},
		"two that set Authorization": {
			values: param.Values{Metadata: map[string]string{"authModes": "basic,bearer"}, Auth: map[string]string{"username": "u", "token": "t"}},
			want:   []string{"metadata.authModes"},
		},
		"known later": {
			values: param.Values{Metadata: map[string]string{"authModes": "oauth,tls,custom"}, AllAuthPending: true},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a := allModes()
			ps := a.Params().Decode(tc.values)
			ps = append(ps, a.Check()...)
			var got []string
			for _, p := range ps {
				got = append(got, p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("paths (-want +got):\n%s\n%v", diff, ps)
			}
		})
	}
}

// tokenServer counts token requests and answers what next says.
func tokenServer(t *testing.T, next func(n int64, w http.ResponseWriter)) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	return server(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.PostForm.Get("audience") != "shop" || r.PostForm.Get("scope") != "read list" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		next(n.Add(1), w)
	}), &n
}

func oauth(tokens *httptest.Server) (metadata, auth map[string]string) {
	return map[string]string{"authModes": "oauth"}, map[string]string{
		"oauthTokenURI": tokens.URL, "clientID": "id", "clientSecret": "s3cret", "scopes": "read, list", "endpointParams": "audience=shop",
	}
}

func TestOAuthTokenIsSharedAndRenewed(t *testing.T) {
	tokens, asked := tokenServer(t, func(n int64, w http.ResponseWriter) {
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": fmt.Sprint("token-", n), "token_type": "Bearer", "expires_in": 3600})
	})
	revoked := ""
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		got := r.Header.Get("Authorization")
		if got == revoked {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, got)
	})
	metadata, auth := oauth(tokens)
	env := testEnv()
	one, two := client(t, env, metadata, auth), client(t, env, metadata, auth)
	for _, c := range []*HTTPClient{one, two, one} {
		if got, err := get(c, s.URL); err != nil || got != "Bearer token-1" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	revoked = "Bearer token-1"
	if _, err := get(one, s.URL); scaler.ReasonOf(err) != scaler.ReasonDenied {
		t.Fatalf("revoked: got %v, want Denied", err)
	}
	if got, err := get(two, s.URL); err != nil || got != "Bearer token-2" {
		t.Errorf("after the refusal: got %q, %v", got, err)
	}
	if asked.Load() != 2 {
		t.Errorf("%d token requests, want 2", asked.Load())
	}
}

func TestOAuthFailures(t *testing.T) {
	tests := map[string]struct {
		status  int
		body    string
		want    scaler.Reason
		mention string
	}{
		"refused":            {400, `{"error":"invalid_client","error_description":"s3cret"}`, scaler.ReasonDenied, "invalid_client"},
		"some other code":    {400, `{"error":"s3cret"}`, scaler.ReasonDenied, "400"},
		"broken":             {500, `s3cret`, scaler.ReasonUnreachable, "500"},
		"too many":           {429, `s3cret`, scaler.ReasonUnreachable, "429"},
		"no token in answer": {200, `{"s3cret":true}`, scaler.ReasonBadAnswer, "no token"},
		"no JSON":            {200, `s3cret`, scaler.ReasonBadAnswer, "no token"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tokens, _ := tokenServer(t, func(_ int64, w http.ResponseWriter) {
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})
			metadata, auth := oauth(tokens)
			_, err := get(client(t, testEnv(), metadata, auth), tokens.URL)
			if scaler.ReasonOf(err) != tc.want || !strings.Contains(err.Error(), tc.mention) {
				t.Errorf("got %v, want %s mentioning %s", err, tc.want, tc.mention)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error repeats what the server sent: %v", err)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	ca := conntest.NewAuthority(t)
	serverPair := ca.Issue(t, "127.0.0.1")
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		}
	}))
	pair, err := tls.X509KeyPair([]byte(serverPair.Cert), []byte(serverPair.Key))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM([]byte(ca.PEM))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.VerifyClientCertIfGiven}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	own, foreign := ca.Issue(t, "keda"), conntest.NewAuthority(t).Issue(t, "stranger")
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(caFile, []byte(ca.PEM), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		metadata, auth map[string]string
		options        scaler.HTTPOptions
		want           string
		reason         scaler.Reason
	}{
		"unknown authority":        {reason: scaler.ReasonMisconfigured},
		"unchecked":                {metadata: map[string]string{"unsafeSsl": "true"}},
		"authority given":          {auth: map[string]string{"ca": ca.PEM}},
		"authority of the install": {options: scaler.HTTPOptions{CAFiles: []string{caFile}}},
		"authorities in a folder":  {options: scaler.HTTPOptions{CAFiles: []string{filepath.Dir(caFile)}, MinTLS: "TLS13"}},
		"client certificate":       {metadata: map[string]string{"authModes": "tls"}, auth: map[string]string{"ca": ca.PEM, "cert": own.Cert, "key": own.Key}, want: "keda"},
		"not without the mode":     {auth: map[string]string{"ca": ca.PEM, "cert": own.Cert, "key": own.Key}},
		"refused certificate": {
			metadata: map[string]string{"authModes": "tls"}, auth: map[string]string{"ca": ca.PEM, "cert": foreign.Cert, "key": foreign.Key},
			reason: scaler.ReasonDenied,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			env := testEnv()
			env.HTTP = tc.options
			got, err := get(client(t, env, tc.metadata, tc.auth), s.URL)
			if tc.reason != "" {
				if err == nil || scaler.ReasonOf(err) != tc.reason {
					t.Fatalf("got %v, want %s", err, tc.reason)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
}
