package scalertest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

// Open opens a source by a config that is as its kind makes it. The source is
// closed with the test, and gets a pool of its own unless env has one.
func Open(t testing.TB, c scaler.Config, v param.Values, env scaler.Env) scaler.Source {
	t.Helper()
	s, err := TryOpen(t, c, v, env)
	if err != nil {
		t.Fatalf("opening the source: %v", err)
	}
	return s
}

// TryOpen is Open for sources that may fail to open.
func TryOpen(t testing.TB, c scaler.Config, v param.Values, env scaler.Env) (scaler.Source, error) {
	t.Helper()
	if err := scaler.Decode(c, v).Err(); err != nil {
		t.Fatalf("decoding the trigger: %v", err)
	}
	if env.Pool == nil {
		env.Pool = &Pool{}
	}
	s, err := c.Open(t.Context(), env)
	if err == nil {
		t.Cleanup(func() { _ = s.Close() })
	}
	return s, err
}

// Serve starts an HTTP server that answers everything alike, until the test
// ends. A status of 0 is 200.
func Serve(t testing.TB, status int, answer string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if status != 0 {
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// Refused checks the error of a failed measurement: its reason, that it says
// something, and that it repeats nothing of what never may be in it.
func Refused(t testing.TB, err error, reason scaler.Reason, said string, never ...string) {
	t.Helper()
	if wrong := refusal(err, reason, said, never); wrong != "" {
		t.Error(wrong)
	}
}

func refusal(err error, reason scaler.Reason, said string, never []string) string {
	var known *scaler.Error
	if !errors.As(err, &known) || known.Reason != reason || !strings.Contains(err.Error(), said) {
		return fmt.Sprintf("got the error %v; expected %s with %q", err, reason, said)
	}
	for _, secret := range never {
		if strings.Contains(err.Error(), secret) {
			return fmt.Sprintf("the error repeats %q: %v", secret, err)
		}
	}
	return ""
}

// BenchTriggers polls 100 triggers of one server at upstream ("host:port" or
// an http URL), as Bench does. open makes the one with number i, which asks addr.
func BenchTriggers(b *testing.B, upstream string, open func(addr string, i int) scaler.Source) {
	b.Helper()
	count := NewCounter(b, strings.TrimPrefix(upstream, "http://"))
	sources := make([]scaler.Source, 100)
	for i := range sources {
		sources[i] = open(count.Addr, i)
	}
	count.Bench(b, sources)
}
