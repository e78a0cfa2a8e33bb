package conn_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func streamFrom(t *testing.T, s conn.HTTPSettings, serve http.HandlerFunc) (*conn.HTTPClient, *http.Request) {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := conn.OpenHTTP(scaler.Env{Pool: &scalertest.Pool{}}, &conn.HTTPAuth{}, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client, conn.NewGet(at, nil)
}

// TestStream: what comes is read as it comes, and closing it tells the server.
func TestStream(t *testing.T) {
	gone := make(chan struct{})
	client, req := streamFrom(t, conn.HTTPSettings{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	})
	body, err := client.Stream(t.Context(), req, "asking")
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(body).ReadString('\n'); line != "first\n" || err != nil {
		t.Errorf("read %q, %v", line, err)
	}
	_ = body.Close()
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Error("the server was not told")
	}
}

// TestStreamFails: a refusal, an answer that does not begin in time, one that
// does not end in time and one too large are told apart.
func TestStreamFails(t *testing.T) {
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context
		serve  http.HandlerFunc
		reason scaler.Reason
		said   string
	}{
		"refused":   {t.Context(), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, scaler.ReasonDenied, "403"},
		"missing":   {t.Context(), func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, scaler.ReasonMissing, "404"},
		"no answer": {t.Context(), func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, scaler.ReasonUnreachable, "no answer in time"},
		"cancelled": {over, func(http.ResponseWriter, *http.Request) {}, scaler.ReasonUnreachable, "canceled"},
		"too large": {t.Context(), func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 200)) }, scaler.ReasonBadAnswer, "larger than 100 bytes"},
		"cut short": {t.Context(), func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, scaler.ReasonUnreachable, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			client, req := streamFrom(t, conn.HTTPSettings{Timeout: 200 * time.Millisecond, BodyLimit: 100}, c.serve)
			body, err := client.Stream(c.ctx, req, "asking")
			if err == nil {
				if _, err = io.ReadAll(body); err != nil {
					err = conn.StreamError(err, "asking")
				}
				_ = body.Close()
			}
			var known *scaler.Error
			if !errors.As(err, &known) || known.Reason != c.reason || !strings.Contains(err.Error(), c.said) {
				t.Errorf("got %v; expected %s with %q", err, c.reason, c.said)
			}
		})
	}
}
