package conn

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testEnv() scaler.Env {
	return scaler.Env{Pool: pool.New(), Now: func() time.Time { return now }}
}

func allModes() HTTPAuth {
	return NewHTTPAuth(AuthBasic, AuthBearer, AuthTLS, AuthCustom, AuthAPIKey, AuthOAuth)
}

// client opens a client with the given parameters, which must be right.
func client(t *testing.T, env scaler.Env, metadata, auth map[string]string) *HTTPClient {
	t.Helper()
	a := allModes()
	ps := a.Params().Decode(param.Values{Metadata: metadata, Auth: auth})
	ps = append(ps, a.Check()...)
	if err := ps.Err(); err != nil {
		t.Fatal(err)
	}
	c, err := OpenHTTP(env, &a, HTTPSettings{Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func get(c *HTTPClient, address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	body, err := c.Ask(context.Background(), NewGet(u, nil), Refusals{}, "asking the test server")
	return string(body), err
}

func server(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

func TestStatusBecomesReason(t *testing.T) {
	tests := map[string]struct {
		status     int
		retryAfter string
		want       scaler.Reason
		wantPause  time.Duration
	}{
		"unauthorized":        {status: 401, want: scaler.ReasonDenied},
		"forbidden":           {status: 403, want: scaler.ReasonDenied},
		"not found":           {status: 404, want: scaler.ReasonMissing},
		"too many":            {status: 429, retryAfter: "17", want: scaler.ReasonUnreachable, wantPause: 17 * time.Second},
		"too many until":      {status: 429, retryAfter: now.Add(time.Minute).Format(http.TimeFormat), want: scaler.ReasonUnreachable, wantPause: time.Minute},
		"too many, long past": {status: 429, retryAfter: now.Add(-time.Minute).Format(http.TimeFormat), want: scaler.ReasonUnreachable},
		"too many for a year": {status: 429, retryAfter: "31536000", want: scaler.ReasonUnreachable, wantPause: time.Hour},
		"broken":              {status: 500, want: scaler.ReasonUnreachable},
		"unavailable":         {status: 503, retryAfter: "soon", want: scaler.ReasonUnreachable},
		"teapot":              {status: 418, want: scaler.ReasonBadAnswer},
		"not modified":        {status: 304, want: scaler.ReasonBadAnswer},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := server(t, func(w http.ResponseWriter, _ *http.Request) {
				if tc.retryAfter != "" {
					w.Header().Set("Retry-After", tc.retryAfter)
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, "s3cret body")
			})
			_, err := get(client(t, testEnv(), nil, nil), s.URL)
			if err == nil {
				t.Fatal("no error")
			}
			if got := scaler.ReasonOf(err); got != tc.want {
				t.Errorf("reason %s, want %s", got, tc.want)
			}
			if got := scaler.RetryAfterOf(err); got != tc.wantPause {
				t.Errorf("pause %s, want %s", got, tc.wantPause)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error repeats the body: %v", err)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	var reached atomic.Int64
	other := server(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/here":
			http.Redirect(w, r, "/there", http.StatusFound)
		case "/there":
			if r.Header.Get("X-API-KEY") != "k" {
				w.WriteHeader(http.StatusUnauthorized)
			}
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/port":
			http.Redirect(w, r, other.URL, http.StatusFound)
		case "/host":
			http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
		}
	})
	c := client(t, testEnv(), map[string]string{"authModes": "apiKey"}, map[string]string{"apiKey": "k"})
	if _, err := get(c, s.URL+"/here"); err != nil {
		t.Errorf("within the server: %v", err)
	}
	for _, path := range []string{"/loop", "/port", "/host"} {
		_, err := get(c, s.URL+path)
		if err == nil || scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
			t.Errorf("%s: got %v, want Misconfigured", path, err)
		}
	}
	if reached.Load() != 0 {
		t.Error("the key was carried to another server")
	}
}

func TestRedirectRule(t *testing.T) {
	tests := map[string]struct {
		chain   []string
		allowed bool
	}{
		"same server":         {[]string{"http://a/x", "http://a/y"}, true},
		"default port spelt":  {[]string{"https://a/x", "https://a:443/y"}, true},
		"letter case":         {[]string{"http://a.b/x", "http://A.B/y"}, true},
		"up to https":         {[]string{"http://a/x", "https://a/x"}, true},
		"up to https, a port": {[]string{"http://a:8080/x", "https://a:8443/x"}, true},
		"down to http":        {[]string{"https://a/x", "http://a/x"}, false},
		"up and down":         {[]string{"http://a/x", "https://a/x", "http://a/y"}, false},
		"other host":          {[]string{"http://a/x", "http://b/x"}, false},
		"subdomain":           {[]string{"http://a/x", "http://x.a/x"}, false},
		"other port":          {[]string{"http://a/x", "http://a:81/x"}, false},
		"other scheme":        {[]string{"http://a/x", "ftp://a/x"}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var via []*http.Request
			for _, a := range tc.chain {
				r, err := http.NewRequest(http.MethodGet, a, nil)
				if err != nil {
					t.Fatal(err)
				}
				via = append(via, r)
			}
			last := len(via) - 1
			err := sameServer(via[last], via[:last])
			if (err == nil) != tc.allowed {
				t.Errorf("got %v, allowed should be %t", err, tc.allowed)
			}
		})
	}
}

func TestAnswerSizeIsLimited(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		n := 1 << 20
		if r.URL.Path == "/more" {
			n++
		}
		_, _ = io.WriteString(w, strings.Repeat("x", n))
	})
	c := client(t, testEnv(), nil, nil)
	if _, err := get(c, s.URL); err != nil {
		t.Errorf("a mebibyte: %v", err)
	}
	if _, err := get(c, s.URL+"/more"); err == nil || scaler.ReasonOf(err) != scaler.ReasonBadAnswer {
		t.Errorf("a byte more: got %v, want BadAnswer", err)
	}
}

func TestTimeLimits(t *testing.T) {
	stop := make(chan struct{})
	s := server(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	})
	defer close(stop)
	a := allModes()
	if err := a.Params().Decode(param.Values{}).Err(); err != nil {
		t.Fatal(err)
	}
	c, err := OpenHTTP(testEnv(), &a, HTTPSettings{Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := get(c, s.URL+"?api_key=s3cret"); scaler.ReasonOf(err) != scaler.ReasonUnreachable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("own limit: got %v, want Unreachable", err)
	} else if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error repeats the address: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	u, _ := url.Parse(s.URL)
	if _, err := client(t, testEnv(), nil, nil).Ask(ctx, NewGet(u, nil), Refusals{}, "asking"); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller's limit: got %v", err)
	}
}

func TestLinkLocalIsRefused(t *testing.T) {
	for address, refused := range map[string]bool{
		"169.254.169.254:80": true, "[fe80::1%eth0]:80": true, "[::ffff:169.254.169.254]:80": true, "/var/run/socket": true,
		"127.0.0.1:80": false, "10.0.0.1:80": false, "[2001:db8::1]:80": false,
	} {
		if got := NewNetwork(scaler.HTTPOptions{}).judge(t.Context(), "tcp", address) != nil; got != refused {
			t.Errorf("%s: refused %t, want %t", address, got, refused)
		}
	}
	_, err := get(client(t, testEnv(), nil, nil), "http://169.254.169.254/latest/meta-data")
	if err == nil || scaler.ReasonOf(err) != scaler.ReasonMisconfigured {
		t.Errorf("got %v, want Misconfigured", err)
	}
}

func TestClientsAreShared(t *testing.T) {
	p := pool.New()
	env := scaler.Env{Pool: p}
	plain := client(t, env, nil, nil)
	basic := client(t, env, map[string]string{"authModes": "basic"}, map[string]string{"username": "u"})
	unsafe := client(t, env, map[string]string{"unsafeSsl": "true"}, nil)
	if plain.shared != basic.shared {
		t.Error("clients that differ in their headers have their own connections")
	}
	if plain.shared == unsafe.shared {
		t.Error("a client that checks certificates shares with one that does not")
	}
	if diff := cmp.Diff(map[string]int{"http": 2}, p.Len()); diff != "" {
		t.Errorf("pool (-want +got):\n%s", diff)
	}
	for _, c := range []*HTTPClient{plain, basic, unsafe} {
		_ = c.Close()
	}
	if diff := cmp.Diff(map[string]int{}, p.Len()); diff != "" {
		t.Errorf("pool after closing (-want +got):\n%s", diff)
	}
}
