package scalertest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCounter checks that requests are counted over connections that are used
// again.
func TestCounter(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	defer s.Close()
	c := NewCounter(t, strings.TrimPrefix(s.URL, "http://"))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for i := range 5 {
		resp, err := client.Post("http://"+c.Addr, "text/plain", strings.NewReader(strings.Repeat("x", 10)))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if got := c.Asked(); got != int64(i+1) {
			t.Fatalf("after %d requests: %d", i+1, got)
		}
	}
}
