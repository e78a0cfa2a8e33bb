package metricsapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// numbers is an API with a number at each path, for who knows the token.
type numbers struct {
	mu     sync.Mutex
	values map[string]float64
	denied bool
}

func (n *numbers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.denied || r.Header.Get("Authorization") != "Bearer token-of-the-trigger" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	v, ok := n.values[r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = fmt.Fprintf(w, `{"n": %v}`, v)
}

func (n *numbers) set(path string, value float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.values[path] = value
}

func (n *numbers) deny(denied bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.denied = denied
}

func TestConformance(t *testing.T) {
	api := &numbers{values: map[string]float64{"/two": 2}}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	scalertest.Run(t, scalertest.Case{
		Kind:     Kinds()[0],
		Metadata: metadata("http://api.example/jobs", "authMode", "bearer"), Auth: map[string]string{"token": "token-of-the-trigger"},
		Fixture: func(t *testing.T) scalertest.Fixture {
			proxy := scalertest.NewProxy(t, strings.TrimPrefix(server.URL, "http://"))
			return scalertest.Fixture{
				Metadata: map[string]string{"url": "http://" + proxy.Addr + "/jobs"}, Proxy: proxy,
				Set:  func(_ context.Context, n float64) { api.set("/jobs", n) },
				Deny: func() { api.deny(true) }, Allow: func() { api.deny(false) },
				Siblings: []scalertest.Sibling{{
					Metadata: map[string]string{"url": "http://" + proxy.Addr + "/other"},
					Set:      func(_ context.Context, n float64) { api.set("/other", n) },
				}},
				Bad: map[string]string{"url": "http://" + proxy.Addr + "/none"},
			}
		},
	})
}
