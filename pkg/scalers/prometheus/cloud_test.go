package prometheus

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	promserver "github.com/kedago/keda/test/servers/prometheus"
)

const awsSecret = "s3cr3t-access-key"

// guard is in front of a server and lets through what knows says.
func guard(t *testing.T, server string, knows func(*http.Request) bool) *httptest.Server {
	t.Helper()
	at, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(at)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !knows(r) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// openAs decodes and opens a trigger under an identity.
func openAs(t *testing.T, e scaler.Env, metadata, auth map[string]string) (scaler.Source, error) {
	t.Helper()
	return scalertest.TryOpen(t, Kinds()[0].New(), param.Values{Metadata: metadata, Auth: auth}, e)
}

// asAzure is an environment with the operator's workload identity.
func asAzure(a *conntest.Azure, env scaler.Env) scaler.Env {
	env.Identity = scaler.Identity{Provider: "azure-workload"}
	env.HTTP.CAFiles = []string{a.CAFile}
	return env
}

// measured checks that a trigger measures want.
func measured(t *testing.T, e scaler.Env, metadata, auth map[string]string, want float64) {
	t.Helper()
	s, err := openAs(t, e, metadata, auth)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Measure(t.Context())
	if err != nil || got.Value != want {
		t.Errorf("got %+v, %v; want %v", got, err, want)
	}
}

var awsAuthorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8}/([^/]+)/([^/]+)/aws4_request), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$`)

// signed checks a request's signature as AWS documents it ("Create a signed
// AWS API request"), for one key, region and service.
func signed(t *testing.T, r *http.Request, keyID, secret, region, service string) bool {
	t.Helper()
	parts := awsAuthorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if parts == nil || parts[1] != keyID || parts[3] != region || parts[4] != service {
		t.Logf("authorization %q", r.Header.Get("Authorization"))
		return false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	names := strings.Split(parts[5], ";")
	if !slices.Contains(names, "host") || !slices.Contains(names, "x-amz-date") {
		return false
	}
	var headers strings.Builder
	for _, name := range names {
		value := r.Header.Get(name)
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		headers.WriteString(name + ":" + value + "\n")
	}
	digest := func(text string) string { s := sha256.Sum256([]byte(text)); return hex.EncodeToString(s[:]) }
	query := strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")
	request := strings.Join([]string{r.Method, r.URL.EscapedPath(), query, headers.String(), parts[5], digest(string(body))}, "\n")
	text := strings.Join([]string{"AWS4-HMAC-SHA256", r.Header.Get("X-Amz-Date"), parts[2], digest(request)}, "\n")
	key := []byte("AWS4" + secret)
	for _, part := range append(strings.Split(parts[2], "/"), text) {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	return hex.EncodeToString(key) == parts[6]
}

// TestAmazon checks signatures in front of a real Prometheus, of a short and
// of a long query, which is a POST.
func TestAmazon(t *testing.T) {
	real := promserver.Start(t)
	real.Push(t, 12.5, map[string]string{"__name__": "depth", "queue": "an order"})
	const query = `sum(depth{queue="an order"})`
	auth := map[string]string{"awsAccessKeyID": "AKIATEST", "awsSecretAccessKey": awsSecret}
	var token, method atomic.Value
	s := guard(t, real.URL, func(r *http.Request) bool {
		token.Store(r.Header.Get("X-Amz-Security-Token"))
		method.Store(r.Method)
		return signed(t, r, "AKIATEST", awsSecret, "eu-west-1", "aps")
	})
	s.Start()
	for want, q := range map[string]string{"GET": query, "POST": query + strings.Repeat(" + 0", 2000)} {
		t.Run(want, func(t *testing.T) {
			measured(t, env(), trigger(s.URL, q, "awsRegion", "eu-west-1", "queryParameters", "dedup=a b+c"), auth, 12.5)
			if method.Load() != want {
				t.Errorf("the method was %s", method.Load())
			}
		})
	}
	t.Run("temporary", func(t *testing.T) {
		temporary := map[string]string{"awsAccessKeyID": "AKIATEST", "awsSecretAccessKey": awsSecret, "awsSessionToken": "session"}
		measured(t, env(), trigger(s.URL, query, "awsRegion", "eu-west-1"), temporary, 12.5)
		if token.Load() != "session" {
			t.Errorf("the session token is %q", token.Load())
		}
	})
	t.Run("operator", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
		t.Setenv("AWS_SECRET_ACCESS_KEY", awsSecret)
		e := env()
		e.Identity.Provider = "aws"
		measured(t, e, trigger(s.URL, query, "awsRegion", "eu-west-1"), nil, 12.5)
		measured(t, env(), trigger(s.URL, query, "awsRegion", "eu-west-1", "identityOwner", "operator"), nil, 12.5)
	})
	t.Run("other secret", func(t *testing.T) {
		src, err := openAs(t, env(), trigger(s.URL, query, "awsRegion", "eu-west-1"), map[string]string{"awsAccessKeyID": "AKIATEST", "awsSecretAccessKey": "other"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := src.Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonDenied {
			t.Errorf("got %v", err)
		}
	})
}

// TestAmazonRegion checks that a workspace's address says its region.
func TestAmazonRegion(t *testing.T) {
	for address, want := range map[string]string{
		"https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1":           "eu-west-1",
		"https://aps-workspaces-fips.us-gov-west-1.amazonaws.com/workspaces/ws-1":  "us-gov-west-1",
		"https://aps-workspaces.cn-north-1.amazonaws.com.cn/workspaces/ws-1":       "cn-north-1",
		"https://aps-workspaces.eu-west-1.amazonaws.com.example.com/workspaces/ws": "",
		"http://prometheus.monitoring:9090":                                        "",
	} {
		at, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := amazonRegion(at); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}

// TestGoogle checks that a key's token is asked for once, is sent, and is
// replaced when the server refuses it.
func TestGoogle(t *testing.T) {
	google := conntest.StartGoogle(t)
	real := promserver.Start(t)
	real.Push(t, 3, map[string]string{"__name__": "depth"})
	s := guard(t, real.URL, google.Knows)
	s.Start()
	src, err := openAs(t, env(), trigger(s.URL, "depth"), map[string]string{"GoogleApplicationCredentials": google.Key})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := src.Measure(t.Context()); err != nil || got.Value != 3 {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	if n := len(google.Asked()); n != 1 {
		t.Errorf("%d tokens were asked for, want 1", n)
	}
	google.Revoke()
	if _, err := src.Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonDenied {
		t.Errorf("a revoked token gives %v", err)
	}
	if got, err := src.Measure(t.Context()); err != nil || got.Value != 3 {
		t.Errorf("after a revoked token: %+v, %v", got, err)
	}
}

// TestAzure checks the operator's token in front of a real Prometheus, in a
// cloud of one's own, whose addresses can be any.
func TestAzure(t *testing.T) {
	authority := conntest.StartAzure(t)
	real := promserver.Start(t)
	real.Push(t, 7, map[string]string{"__name__": "depth"})
	s := guard(t, real.URL, authority.Knows)
	s.TLS = authority.TLS.Clone()
	s.StartTLS()
	const audience = "https://prometheus.monitor.azure.local/.default"
	private := []string{"cloud", "Private", "azureManagedPrometheusResourceURL", audience}
	measured(t, asAzure(authority, env()), trigger(s.URL, "depth", private...), nil, 7)
	asked := authority.Asked()
	if len(asked) != 1 || !strings.HasPrefix(asked[0].Get("scope"), audience) {
		t.Errorf("tokens were asked for by %v", asked)
	}
	authority.Refuse(true)
	src, err := openAs(t, asAzure(authority, env()), trigger(s.URL, "depth", private...), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonDenied {
		t.Errorf("without a token: %v", err)
	}
}

// TestIdentitiesRefused checks that tokens go to their cloud only, and that
// what can't be meant is named.
func TestIdentitiesRefused(t *testing.T) {
	authority := conntest.StartAzure(t)
	google := conntest.GoogleKey(t, "http://127.0.0.1:1/token")
	const azureAt = "https://w-1.westeurope.prometheus.monitor.azure.com"
	for name, tc := range map[string]struct {
		provider string
		metadata map[string]string
		auth     map[string]string
		mention  string // none when it opens
	}{
		"Azure":                   {"azure-workload", trigger(azureAt, "up"), nil, ""},
		"Azure, elsewhere":        {"azure-workload", trigger("https://prometheus.example.com", "up"), nil, "serverAddress"},
		"Azure, plain":            {"azure-workload", trigger("http://w.westeurope.prometheus.monitor.azure.com", "up"), nil, "https"},
		"Azure, another cloud":    {"azure-workload", trigger(azureAt, "up", "cloud", "AzureChinaCloud"), nil, "prometheus.monitor.azure.cn"},
		"Google":                  {"gcp", trigger("https://monitoring.googleapis.com/v1/projects/p/location/global/prometheus", "up"), nil, ""},
		"Google, elsewhere":       {"gcp", trigger("https://googleapis.com.example.com", "up"), nil, "serverAddress"},
		"Google, plain":           {"gcp", trigger("http://monitoring.googleapis.com", "up"), nil, "serverAddress"},
		"Google, a file":          {"", trigger("https://p", "up"), map[string]string{"GoogleApplicationCredentialsFile": "f"}, "opened no folder"},
		"Amazon by its address":   {"aws", trigger("https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/w", "up"), nil, ""},
		"Amazon without a region": {"aws", trigger("https://p", "up"), nil, "awsRegion"},
		"Amazon without keys":     {"", trigger("https://p", "up", "awsRegion", "eu-west-1"), nil, "there are no AWS credentials"},
		"two clouds":              {"", trigger("https://p", "up", "awsRegion", "eu-west-1"), map[string]string{"GoogleApplicationCredentials": google}, "awsRegion"},
		"with a mode": {
			"gcp", trigger("https://monitoring.googleapis.com", "up", "authModes", "basic"), map[string]string{"username": "u"}, "authModes has basic",
		},
		"unknown":        {"huawei", trigger("https://p", "up"), nil, "podIdentity huawei"},
		"none, as usual": {"none", trigger("http://p", "up"), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			pool := &scalertest.Pool{}
			e := asAzure(authority, env())
			e.Pool, e.Identity.Provider = pool, tc.provider
			c := Kinds()[0].New()
			if err := scaler.Decode(c, param.Values{Metadata: tc.metadata, Auth: tc.auth}).Err(); err != nil {
				t.Fatal(err)
			}
			src, err := c.Open(t.Context(), e)
			if tc.mention == "" {
				if err != nil {
					t.Fatal(err)
				}
				_ = src.Close()
			} else if scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), tc.mention) {
				t.Errorf("got %v, want one mentioning %q", err, tc.mention)
			}
			if diff := cmp.Diff(0, pool.Held()); diff != "" {
				t.Errorf("held of the pool (-want +got):\n%s", diff)
			}
		})
	}
}

// TestConformance runs the suite against a real Prometheus that wants tokens.
func TestConformance(t *testing.T) {
	google := conntest.StartGoogle(t)
	real := promserver.Start(t)
	var denied atomic.Bool
	s := guard(t, real.URL, func(r *http.Request) bool { return !denied.Load() && google.Knows(r) })
	s.Start()
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: trigger("http://prometheus:9090", "depth"), Auth: map[string]string{"GoogleApplicationCredentials": google.Key},
		Fixture: func(t *testing.T) scalertest.Fixture {
			proxy := scalertest.NewProxy(t, strings.TrimPrefix(s.URL, "http://"))
			return scalertest.Fixture{
				Metadata: map[string]string{"serverAddress": "http://" + proxy.Addr}, Proxy: proxy,
				Set:  func(_ context.Context, n float64) { real.Push(t, n, map[string]string{"__name__": "depth"}) },
				Deny: func() { denied.Store(true) }, Allow: func() { denied.Store(false) },
			}
		},
	})
}
