package conn_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/api/storage/v1"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

const gcpSecret = "gcp-secret-text"

// gcpValues are parameters with an endpoint.
func gcpValues(endpoint string, auth map[string]string) param.Values {
	return param.Values{Metadata: map[string]string{"endpoint": endpoint}, Auth: auth, Env: map[string]string{}}
}

// openStorage opens a client for what the values say.
func openStorage(env scaler.Env, v param.Values) (*conn.GCPClient[*storage.Service], error) {
	var g conn.GCP
	if err := append(g.Params().Decode(v), g.Check()...).Err(); err != nil {
		return nil, err
	}
	return conn.OpenGCP(env, &g, conn.GCPService{Name: "storage", Path: "/storage/v1/", Scopes: []string{storage.DevstorageReadOnlyScope}}, storage.NewService)
}

func listBucket(ctx context.Context, c *conn.GCPClient[*storage.Service]) error {
	if _, err := c.API.Objects.List("uploads").Context(ctx).Do(); err != nil {
		return conn.GCPError(err, "listing")
	}
	return nil
}

// bucket is a Cloud Storage that answers by answer.
func bucket(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.URL
}

func emptyList(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprint(w, `{"kind":"storage#objects"}`)
}

// alone keeps the machine's own configuration out.
func alone(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"GOOGLE_APPLICATION_CREDENTIALS": "", "HOME": t.TempDir(), "CLOUDSDK_CORE_PROJECT": "", "GOOGLE_CLOUD_PROJECT": "", "GCE_METADATA_HOST": "127.0.0.1:1",
	} {
		t.Setenv(name, value)
	}
}

// TestGCPKeys checks the ways in which a key may be given, that one token
// serves many requests, and what is asked for it.
func TestGCPKeys(t *testing.T) {
	alone(t)
	for name, set := range map[string]func(v *param.Values, env *scaler.Env, key string){
		"authentication": func(v *param.Values, _ *scaler.Env, key string) { v.Auth["GoogleApplicationCredentials"] = key },
		"environment": func(v *param.Values, _ *scaler.Env, key string) {
			v.Metadata["credentialsFromEnv"], v.Env["KEY"] = "KEY", key
		},
		"first API": func(v *param.Values, _ *scaler.Env, key string) {
			v.EnvNames, v.Metadata["credentials"], v.Env["KEY"] = true, "KEY", key
		},
		"file": func(v *param.Values, env *scaler.Env, key string) {
			v.Auth["GoogleApplicationCredentialsFile"] = "keys/a.json"
			env.ReadFile = only("keys/a.json", key)
		},
		"file from environment": func(v *param.Values, env *scaler.Env, key string) {
			v.Metadata["credentialsFromEnvFile"], v.Env["FILE"] = "FILE", "b.json"
			env.ReadFile = only("b.json", key)
		},
	} {
		t.Run(name, func(t *testing.T) {
			google := conntest.StartGoogle(t)
			at := bucket(t, func(w http.ResponseWriter, r *http.Request) {
				if !google.Knows(r) || r.URL.Path != "/storage/v1/b/uploads/o" {
					t.Errorf("asked %s with %q", r.URL, r.Header.Get("Authorization"))
				}
				emptyList(w, r)
			})
			env, v := scaler.Env{Pool: pool.New()}, gcpValues(at, map[string]string{})
			set(&v, &env, google.Key)
			c, err := openStorage(env, v)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			for range 3 {
				if err := listBucket(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			if asked := google.Asked(); len(asked) != 1 || asked[0].Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
				t.Errorf("tokens were asked for by %v", asked)
			}
			if project, err := c.Project(t.Context()); project != conntest.GoogleProject || err != nil {
				t.Errorf("the project is %q, %v", project, err)
			}
		})
	}
}

// only reads one file.
func only(name, text string) func(string) ([]byte, error) {
	return func(asked string) ([]byte, error) {
		if asked != name {
			return nil, fmt.Errorf("%s is not there", asked)
		}
		return []byte(text), nil
	}
}

// TestGCPOperatorEndpoint checks that the operator's token is shown to Google only.
func TestGCPOperatorEndpoint(t *testing.T) {
	alone(t)
	env := scaler.Env{Pool: pool.New(), Identity: scaler.Identity{Provider: "gcp"}}
	for endpoint, ok := range map[string]bool{
		"https://storage-keda.p.googleapis.com": true, "http://storage-keda.p.googleapis.com": false,
		"https://evil.example": false, "https://googleapis.com.evil.example": false, "https://evilgoogleapis.com": false,
	} {
		c, err := openStorage(env, gcpValues(endpoint, nil))
		if ok != (err == nil) {
			t.Errorf("%s: got %v", endpoint, err)
		}
		if err == nil {
			_ = c.Close()
		} else if scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), "googleapis.com") {
			t.Errorf("%s: got %v", endpoint, err)
		}
	}
}

func TestGCPNobodyToAsk(t *testing.T) {
	alone(t)
	key := conntest.GoogleKey(t, "http://127.0.0.1:1")
	for name, tc := range map[string]struct {
		identity scaler.Identity
		auth     map[string]string
		want     string
	}{
		"none":              {want: "there are no Google Cloud credentials"},
		"another cloud's":   {identity: scaler.Identity{Provider: "aws"}, auth: map[string]string{"GoogleApplicationCredentials": key}, want: "podIdentity aws"},
		"no folder":         {auth: map[string]string{"GoogleApplicationCredentialsFile": "/etc/passwd"}, want: "--filepath-auth-root-path"},
		"odd account":       {identity: scaler.Identity{Provider: "gcp", ID: "../x"}, want: "identityId"},
		"unreadable key":    {auth: map[string]string{"GoogleApplicationCredentials": `{"type":"service_account","client_email":"a","private_key":"` + gcpSecret + `"}`}, want: "private_key"},
		"key without email": {auth: map[string]string{"GoogleApplicationCredentials": `{"type":"service_account","private_key":"` + gcpSecret + `"}`}, want: "client_email"},
		"external account":  {auth: map[string]string{"GoogleApplicationCredentials": `{"type":"external_account","credential_source":{"file":"/etc/passwd"}}`}, want: "service_account"},
		"no JSON":           {auth: map[string]string{"GoogleApplicationCredentials": gcpSecret}, want: "no JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openStorage(scaler.Env{Pool: pool.New(), Identity: tc.identity}, param.Values{Auth: tc.auth})
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), gcpSecret) {
				t.Errorf("got %v; want it to mention %q", err, tc.want)
			}
		})
	}
}

func TestGCPProblemPaths(t *testing.T) {
	var g conn.GCP
	ps := g.Params().Decode(param.Values{
		Metadata: map[string]string{"credentialsFromEnv": "KEY", "credentialsFromEnvFile": "ABSENT"},
		Auth:     map[string]string{"GoogleApplicationCredentials": gcpSecret}, Env: map[string]string{"KEY": "{}"},
	})
	var got []string
	for _, p := range append(ps, g.Check()...) {
		got = append(got, p.Path)
	}
	want := []string{"metadata.credentialsFromEnvFile", "authenticationRef.GoogleApplicationCredentials", "metadata.credentials"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestGCPFileIsCheckedWhenRead checks that a file below the opened folder is
// held to the same rules as a key, and that its content is not shown.
func TestGCPFileIsCheckedWhenRead(t *testing.T) {
	alone(t)
	for name, text := range map[string]string{
		"no key": gcpSecret, "external account": `{"type":"external_account","x":"` + gcpSecret + `"}`,
		"unreadable": `{"type":"service_account","client_email":"a","private_key":"` + gcpSecret + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			env := scaler.Env{Pool: pool.New(), ReadFile: only("a.json", text)}
			c, err := openStorage(env, gcpValues("http://127.0.0.1:1", map[string]string{"GoogleApplicationCredentialsFile": "a.json"}))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			err = listBucket(t.Context(), c)
			if scaler.ReasonOf(err) != scaler.ReasonMisconfigured || strings.Contains(err.Error(), gcpSecret) {
				t.Errorf("got %v", err)
			}
			if _, err := c.Project(t.Context()); scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
				t.Errorf("the project: got %v", err)
			}
		})
	}
}

// TestGCPAnonymous checks that an endpoint without credentials is asked as nobody.
func TestGCPAnonymous(t *testing.T) {
	alone(t)
	at := bucket(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "" {
			t.Errorf("a token was sent: %q", got)
		}
		emptyList(w, r)
	})
	c, err := openStorage(scaler.Env{Pool: pool.New()}, gcpValues(at+"/prefix", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := listBucket(t.Context(), c); err != nil {
		t.Error(err)
	}
	if _, err := c.Project(t.Context()); scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
		t.Errorf("the project: got %v", err)
	}
}

// TestGCPRefusedToken checks what is said of tokens that can't be got.
func TestGCPRefusedToken(t *testing.T) {
	alone(t)
	for name, tc := range map[string]struct {
		status int
		body   string
		reason scaler.Reason
		want   string
	}{
		"deleted key":  {400, `{"error":"invalid_grant","error_description":"` + gcpSecret + `"}`, scaler.ReasonDenied, "invalid_grant"},
		"unknown code": {400, `{"error":"` + gcpSecret + `"}`, scaler.ReasonDenied, "answered 400"},
		"down":         {503, `x`, scaler.ReasonUnreachable, "answered 503"},
		"throttled":    {429, `x`, scaler.ReasonUnreachable, "answered 429"},
		"a page":       {200, `<html>` + gcpSecret, scaler.ReasonBadAnswer, "no token"},
		"no token":     {200, `{"expires_in":1}`, scaler.ReasonBadAnswer, "no token"},
		"redirected":   {302, ``, scaler.ReasonDenied, "answered 302"},
	} {
		t.Run(name, func(t *testing.T) {
			google := conntest.StartGoogle(t)
			google.Refuse(tc.status, tc.body)
			c, err := openStorage(scaler.Env{Pool: pool.New()}, gcpValues(bucket(t, emptyList), map[string]string{"GoogleApplicationCredentials": google.Key}))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			err = listBucket(t.Context(), c)
			if err == nil || scaler.ReasonOf(err) != tc.reason || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), gcpSecret) {
				t.Errorf("got %s: %v", scaler.ReasonOf(err), err)
			}
			google.Refuse(0, "")
			if err := listBucket(t.Context(), c); err != nil {
				t.Errorf("after the refusal: %v", err)
			}
		})
	}
}

// TestGCPTokenAddress checks that a key can't send the operator to where it
// must not go, and that a server that is away is Unreachable.
func TestGCPTokenAddress(t *testing.T) {
	alone(t)
	for at, reason := range map[string]scaler.Reason{
		"http://169.254.169.254/token": scaler.ReasonMisconfigured, "http://127.0.0.1:1/token": scaler.ReasonUnreachable,
	} {
		c, err := openStorage(scaler.Env{Pool: pool.New()}, gcpValues(bucket(t, emptyList), map[string]string{"GoogleApplicationCredentials": conntest.GoogleKey(t, at)}))
		if err != nil {
			t.Fatal(err)
		}
		if err := listBucket(t.Context(), c); scaler.ReasonOf(err) != reason || !strings.Contains(fmt.Sprint(err), "getting a Google Cloud token") {
			t.Errorf("%s: got %v", at, err)
		}
		_ = c.Close()
	}
}

// TestGCPRevokedToken checks that a token that the service refuses is not used again.
func TestGCPRevokedToken(t *testing.T) {
	alone(t)
	google := conntest.StartGoogle(t)
	at := bucket(t, func(w http.ResponseWriter, r *http.Request) {
		if !google.Knows(r) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		emptyList(w, r)
	})
	c, err := openStorage(scaler.Env{Pool: pool.New()}, gcpValues(at, map[string]string{"GoogleApplicationCredentials": google.Key}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for i, want := range []scaler.Reason{"", scaler.ReasonDenied, ""} {
		if i == 1 {
			google.Revoke()
		}
		if err := listBucket(t.Context(), c); (err == nil) != (want == "") || err != nil && scaler.ReasonOf(err) != want {
			t.Errorf("request %d: got %v", i, err)
		}
	}
	if n := len(google.Asked()); n != 2 {
		t.Errorf("%d tokens were asked for", n)
	}
}

// TestGCPTokenIsFetchedOnce checks that all who wait share one fetch, and that
// one who gives up does not end it for the others.
func TestGCPTokenIsFetchedOnce(t *testing.T) {
	alone(t)
	held := make(chan struct{})
	asked := make(chan struct{}, 8)
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-held
		_, _ = fmt.Fprint(w, `{"access_token":"t","expires_in":3599}`)
	}))
	t.Cleanup(tokens.Close)
	c, err := openStorage(scaler.Env{Pool: pool.New(), HTTP: scaler.HTTPOptions{Timeout: 10 * time.Second}},
		gcpValues(bucket(t, emptyList), map[string]string{"GoogleApplicationCredentials": conntest.GoogleKey(t, tokens.URL)}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	impatient, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		ctx := t.Context()
		if i == 0 {
			ctx = impatient
		}
		wg.Go(func() { errs[i] = listBucket(ctx, c) })
	}
	<-asked
	cancel()
	close(held)
	wg.Wait()
	for i, err := range errs[1:] {
		if err != nil {
			t.Errorf("request %d: %v", i+1, err)
		}
	}
	if errs[0] != nil && scaler.ReasonOf(errs[0]) != scaler.ReasonUnreachable {
		t.Errorf("who gave up: %v", errs[0])
	}
	if n := len(asked); n != 0 {
		t.Errorf("%d more tokens were asked for", n)
	}
}

// TestGCPShares checks that triggers share clients exactly when endpoint and
// credentials are the same.
func TestGCPShares(t *testing.T) {
	alone(t)
	p := pool.New()
	one, other := conntest.GoogleKey(t, "http://127.0.0.1:1"), conntest.GoogleKey(t, "http://127.0.0.1:1")
	var clients []*conn.GCPClient[*storage.Service]
	for _, c := range []struct{ at, key string }{{"http://127.0.0.1:1", one}, {"http://127.0.0.1:1", one}, {"http://127.0.0.1:2", one}, {"http://127.0.0.1:1", other}} {
		got, err := openStorage(scaler.Env{Pool: p}, gcpValues(c.at, map[string]string{"GoogleApplicationCredentials": c.key}))
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, got)
	}
	if clients[0].API != clients[1].API || clients[0].Key != clients[1].Key {
		t.Error("equal triggers have clients of their own")
	}
	for i, c := range clients[2:] {
		if c.API == clients[0].API || c.Key == clients[0].Key {
			t.Errorf("trigger %d shares a client that is not its own", i+2)
		}
	}
	if got := p.Len(); got["gcp-storage"] != 3 || got["gcp-identity"] != 2 || got["http"] != 1 {
		t.Errorf("the pool holds %v", got)
	}
	for _, c := range clients {
		_ = c.Close()
	}
	if got := p.Len(); len(got) != 0 {
		t.Errorf("after closing the pool holds %v", got)
	}
}
