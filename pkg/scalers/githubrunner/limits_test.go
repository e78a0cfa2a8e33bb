package githubrunner

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// TestUnchanged: answers that have not changed are not sent again, for all
// triggers of an account.
func TestUnchanged(t *testing.T) {
	s := start(t, usual(`[{"status": "queued"}]`))
	fresh, same := 0, 0
	s.before(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("ETag", `W/"`+r.URL.RequestURI()+`"`)
		if r.Header.Get("If-None-Match") == `W/"`+r.URL.RequestURI()+`"` {
			same++
			w.WriteHeader(http.StatusNotModified)
			return true
		}
		fresh++
		return false
	})
	p := pool.New()
	source := open(t, param.Values{Metadata: metadata("http://"+s.Addr, "enableEtags", "true")}, scaler.Env{Pool: p})
	other := open(t, param.Values{Metadata: metadata("http://"+s.Addr, "enableEtags", "true", "labels", "x")}, scaler.Env{Pool: p})
	for _, each := range []scaler.Source{source, source, other} {
		if r, err := each.Measure(t.Context()); err != nil || r.Value != 1 {
			t.Fatalf("measured %+v, %v; expected 1", r, err)
		}
	}
	if fresh != 3 || same != 6 {
		t.Errorf("%d answers were sent and %d were the same; expected 3 and 6", fresh, same)
	}
	s.before(nil)
	s.answers[queued] = none
	if r, err := source.Measure(t.Context()); err != nil || r.Value != 0 {
		t.Errorf("measured %+v, %v after the run; expected 0", r, err)
	}
}

// TestRateLimit: while it is reached nothing is asked, and the last count
// stands.
func TestRateLimit(t *testing.T) {
	begin := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		status int
		header map[string]string
		pause  time.Duration
	}{
		"no requests left": {http.StatusForbidden, map[string]string{
			"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": strconv.FormatInt(begin.Add(10*time.Minute).Unix(), 10),
		}, 10 * time.Minute},
		"too many at once":     {http.StatusForbidden, map[string]string{"X-RateLimit-Remaining": "4000", "Retry-After": "90"}, 90 * time.Second},
		"without a time":       {http.StatusTooManyRequests, nil, time.Minute},
		"a server's long wish": {http.StatusTooManyRequests, map[string]string{"Retry-After": "864000"}, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s, now := start(t, usual(`[{"status": "queued"}]`)), &clock{at: begin}
			source := open(t, param.Values{Metadata: metadata("http://" + s.Addr)}, scaler.Env{Now: now.now})
			limit := func(on bool) {
				s.before(func(w http.ResponseWriter, _ *http.Request) bool {
					if on {
						for k, v := range c.header {
							w.Header().Set(k, v)
						}
						w.WriteHeader(c.status)
					}
					return on
				})
			}
			limit(true)
			_, err := source.Measure(t.Context())
			reasonIs(t, err, scaler.ReasonUnreachable, "rate limit is reached")
			if got := scaler.RetryAfterOf(err); got != c.pause {
				t.Errorf("the pause is %s; expected %s", got, c.pause)
			}
			limit(false)
			now.add(c.pause)
			if r, err := source.Measure(t.Context()); err != nil || r.Value != 1 || r.Note != "" {
				t.Fatalf("measured %+v, %v after the pause; expected 1", r, err)
			}
			now.at = begin
			limit(true)
			for range 2 {
				r, err := source.Measure(t.Context())
				if err != nil || r.Value != 1 || !strings.Contains(r.Note, "the count is that of") {
					t.Errorf("measured %+v, %v while limited; expected the count before", r, err)
				}
			}
			before := len(s.Asked())
			if _, err := source.Measure(t.Context()); err != nil || len(s.Asked()) != before {
				t.Errorf("asked %d times within the pause, %v", len(s.Asked())-before, err)
			}
		})
	}
}

// TestForbidden: a refusal that is not the rate limit says so.
func TestForbidden(t *testing.T) {
	s := start(t, nil)
	s.before(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("X-RateLimit-Remaining", "42")
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	_, err := open(t, param.Values{Metadata: metadata("http://" + s.Addr)}, scaler.Env{}).Measure(t.Context())
	reasonIs(t, err, scaler.ReasonDenied, "403")
}

// TestApp: a GitHub App signs for a token, and all its triggers share it.
func TestApp(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	s, now := start(t, usual(`[{"status": "queued"}]`)), &clock{at: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	tokens, valid := 0, ""
	s.before(func(w http.ResponseWriter, r *http.Request) bool {
		bearer := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if r.URL.Path != "/app/installations/56/access_tokens" {
			if bearer != valid {
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			return false
		}
		claims := jwt.RegisteredClaims{}
		_, err := jwt.ParseWithClaims(bearer, &claims, func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
			jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(now.now), jwt.WithIssuer("12"), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
		if err != nil || r.Method != http.MethodPost || claims.ExpiresAt.Sub(claims.IssuedAt.Time) > 10*time.Minute {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		tokens++
		valid = fmt.Sprint("installation-token-", tokens)
		_, _ = fmt.Fprintf(w, `{"token": %q, "expires_at": %q}`, valid, now.now().Add(time.Hour).Format(time.RFC3339))
		return true
	})
	v := param.Values{
		Metadata: metadata("http://"+s.Addr, "applicationID", "12", "installationID", "56"),
		Auth:     map[string]string{"appKey": text, "personalAccessToken": "not-used"},
	}
	p := pool.New()
	first, second := open(t, v, scaler.Env{Pool: p, Now: now.now}), open(t, v, scaler.Env{Pool: p, Now: now.now})
	good := func(source scaler.Source, want int) {
		t.Helper()
		if r, err := source.Measure(t.Context()); err != nil || r.Value != 1 || tokens != want {
			t.Fatalf("measured %+v, %v with %d tokens; expected 1 with %d", r, err, tokens, want)
		}
	}
	good(first, 1)
	good(second, 1)
	now.add(59*time.Minute + time.Second)
	good(first, 2)
	valid = "revoked"
	_, err = first.Measure(t.Context())
	reasonIs(t, err, scaler.ReasonDenied, "401")
	good(first, 3)
}

// TestAppRefused checks what is said when there is no token.
func TestAppRefused(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	for name, c := range map[string]struct {
		status int
		answer string
		reason scaler.Reason
	}{
		"refused":         {http.StatusUnauthorized, `{}`, scaler.ReasonDenied},
		"no installation": {http.StatusNotFound, `{}`, scaler.ReasonMisconfigured},
		"no token":        {http.StatusCreated, `{"token": ""}`, scaler.ReasonBadAnswer},
		"no JSON":         {http.StatusCreated, `token`, scaler.ReasonBadAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, nil)
			s.before(func(w http.ResponseWriter, _ *http.Request) bool {
				w.WriteHeader(c.status)
				_, _ = fmt.Fprint(w, c.answer)
				return true
			})
			v := param.Values{Metadata: metadata("http://"+s.Addr, "applicationID", "12", "installationID", "56"), Auth: map[string]string{"appKey": text}}
			_, err := open(t, v, scaler.Env{}).Measure(t.Context())
			reasonIs(t, err, c.reason, "getting a token of installation 56")
		})
	}
}

// TestNoKey: a key that is none is found when the trigger is opened.
func TestNoKey(t *testing.T) {
	c := Kinds()[0].New()
	v := param.Values{Metadata: metadata("http://x", "applicationID", "12", "installationID", "56"), Auth: map[string]string{"appKey": "nonsense"}}
	if err := scaler.Decode(c, v).Err(); err != nil {
		t.Fatal(err)
	}
	_, err := c.Open(t.Context(), scaler.Env{Pool: &scalertest.Pool{}})
	reasonIs(t, err, scaler.ReasonMisconfigured, "not an RSA private key")
}

// BenchmarkTriggers polls 100 triggers that differ in their labels.
func BenchmarkTriggers(b *testing.B) {
	s := start(b, usual(`[{"status": "queued", "labels": ["x1"]}]`))
	p := pool.New()
	scalertest.BenchTriggers(b, s.Addr, func(addr string, i int) scaler.Source {
		return open(b, param.Values{Metadata: metadata("http://"+addr, "labels", fmt.Sprint("x", i))}, scaler.Env{Pool: p})
	})
}
