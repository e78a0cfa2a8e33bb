package azuremonitor

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// The span that ends at now is what triggers ask for.
var now = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)

// asked is one request.
type asked struct{ method, url, kind, body string }

// fake is one of Azure's services, which takes tokens of its own authority only.
type fake struct {
	*conntest.Azure
	addr string

	mu     sync.Mutex // guards what follows
	n      float64
	denied bool
	status int
	answer func(n float64) string
	reply  func(url.Values) (status int, answer string) // goes before answer
	asked  []asked
}

func newFake(t testing.TB, answer func(n float64) string) *fake {
	t.Helper()
	f := &fake{Azure: conntest.StartAzure(t), answer: answer, status: http.StatusOK}
	s := httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	s.TLS = f.TLS.Clone()
	s.StartTLS()
	t.Cleanup(s.Close)
	f.addr = strings.TrimPrefix(s.URL, "https://")
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, asked{r.Method, r.URL.String(), r.Header.Get("Content-Type"), string(body)})
	switch {
	case !f.Knows(r):
		w.WriteHeader(http.StatusUnauthorized)
	case f.denied:
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error": {"message": "no role for the-secret-name", "code": "InsufficientAccessError"}}`)
	case f.reply != nil:
		status, answer := f.reply(r.URL.Query())
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	default:
		w.WriteHeader(f.status)
		_, _ = io.WriteString(w, f.answer(f.n))
	}
}

// says makes the service answer one text.
func (f *fake) says(status int, answer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status, f.answer = status, func(float64) string { return answer }
}

// requests are those since the last call.
func (f *fake) requests() []asked {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.asked
	f.asked = nil
	return out
}

func (f *fake) hold(n float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n = n
}

func (f *fake) deny(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied = on
}

// env is that of an operator who trusts the service; provider is the
// podIdentity's, empty for none.
func (f *fake) env(provider string) scaler.Env {
	e := scaler.Env{Pool: &scalertest.Pool{}, Now: func() time.Time { return now }}
	f.trust(&e)
	e.Identity.Provider = provider
	return e
}

func (f *fake) trust(e *scaler.Env) { e.HTTP.CAFiles, e.HTTP.Timeout = []string{f.CAFile}, time.Second }

// conforms runs the suite for a trigger whose address parameter says.
func (f *fake) conforms(t *testing.T, kindName, address string, metadata, auth map[string]string) {
	t.Helper()
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, kindName), Metadata: scalertest.Given(metadata, address, "https://azure.example"), Auth: auth, ScalerEnv: f.trust,
		Fixture: func(t *testing.T) scalertest.Fixture {
			proxy := scalertest.NewProxy(t, f.addr)
			return scalertest.Fixture{
				Metadata: map[string]string{address: "https://" + proxy.Addr}, Proxy: proxy,
				Set:  func(_ context.Context, n float64) { f.hold(n) },
				Deny: func() { f.deny(true) }, Allow: func() { f.deny(false) },
			}
		},
	})
}

func kind(t testing.TB, name string) scaler.Kind {
	t.Helper()
	return scalertest.Kind(t, Kinds(), name)
}

func decode(t testing.TB, kindName string, metadata, auth map[string]string) (scaler.Config, param.Problems) {
	t.Helper()
	c := kind(t, kindName).New()
	return c, scaler.Decode(c, param.Values{Metadata: metadata, Auth: auth})
}

func openErr(t testing.TB, env scaler.Env, kindName string, metadata, auth map[string]string) (scaler.Source, error) {
	t.Helper()
	return scalertest.TryOpen(t, kind(t, kindName).New(), param.Values{Metadata: metadata, Auth: auth}, env)
}

func open(t testing.TB, env scaler.Env, kindName string, metadata, auth map[string]string) scaler.Source {
	t.Helper()
	s, err := openErr(t, env, kindName, metadata, auth)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// outcome is what a measurement is to give.
type outcome struct {
	value  float64
	empty  bool
	reason scaler.Reason // none for success
	said   string
}

func (o outcome) check(t *testing.T, r scaler.Reading, err error) {
	t.Helper()
	if o.reason != "" {
		scalertest.Refused(t, err, o.reason, o.said, "the-secret")
	} else if err != nil || r.Value != o.value || r.Empty != o.empty || !strings.Contains(r.Note, o.said) {
		t.Errorf("measured %+v, %v; want %+v", r, err, o)
	}
}

// answers measures one answer after the other.
func (f *fake) answers(t *testing.T, kindName string, metadata, auth map[string]string, cases map[string]struct {
	status int
	answer string
	outcome
}) {
	t.Helper()
	s := open(t, f.env(""), kindName, metadata, auth)
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f.says(max(c.status, http.StatusOK), c.answer)
			r, err := s.Measure(t.Context())
			c.check(t, r, err)
		})
	}
}

// bench polls 100 triggers on one service.
func (f *fake) bench(b *testing.B, kindName, address string, metadata func(i int) map[string]string, auth map[string]string) {
	env := f.env("")
	scalertest.BenchTriggers(b, f.addr, func(addr string, i int) scaler.Source {
		return open(b, env, kindName, scalertest.Given(metadata(i), address, "https://"+addr), auth)
	})
}
