package scalertest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Numbers is an HTTP server that holds one number and answers as a source's
// API does. It is safe for concurrent use.
type Numbers struct {
	// Addr is the server's "host:port", without a proxy between.
	Addr string

	mu     sync.Mutex // guards what follows
	n      float64
	denied bool
	asked  []*http.Request
	sent   []string
}

// NewNumbers starts a server that ends with the test. It answers 401 to who
// does not know the credentials, and lets answer write the rest.
func NewNumbers(t testing.TB, knows func(*http.Request) bool, answer func(w http.ResponseWriter, r *http.Request, n float64)) *Numbers {
	t.Helper()
	s := &Numbers{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.mu.Lock()
		n, denied := s.n, s.denied
		s.asked, s.sent = append(s.asked, r), append(s.sent, string(body))
		s.mu.Unlock()
		if denied || !knows(r) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer(w, r, n)
	}))
	t.Cleanup(server.Close)
	s.Addr = strings.TrimPrefix(server.URL, "http://")
	return s
}

// Hold makes the server hold n.
func (s *Numbers) Hold(n float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n = n
}

// Deny makes the server refuse everybody, or no longer.
func (s *Numbers) Deny(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = on
}

// Asked are the requests so far. Their bodies are read, see Sent.
func (s *Numbers) Asked() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.asked...)
}

// Sent are the bodies of the requests so far.
func (s *Numbers) Sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.sent...)
}

// Fixture is that of one sub-test, with a proxy of its own before the server.
// The parameter address is set to the proxy's URL with path added.
func (s *Numbers) Fixture(t *testing.T, address, path string) Fixture {
	t.Helper()
	proxy := NewProxy(t, s.Addr)
	return Fixture{
		Metadata: map[string]string{address: "http://" + proxy.Addr + path}, Proxy: proxy,
		Set:  func(_ context.Context, n float64) { s.Hold(n) },
		Deny: func() { s.Deny(true) }, Allow: func() { s.Deny(false) },
	}
}
