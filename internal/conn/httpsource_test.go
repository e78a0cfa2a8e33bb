package conn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// TestHTTPSourceJSON: a request arrives as it was meant, and what an answer is
// worth is told by the reason of the error, without repeating the answer.
func TestHTTPSourceJSON(t *testing.T) {
	var seen, path string
	answer, status := `{"n": 4}`, http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		path = r.URL.EscapedPath()
		seen = fmt.Sprintf("%s %s %s %s %s", r.Method, r.Header.Get("X-Tenant"), r.Header.Get("Content-Type"), r.Header.Get("Accept"), body)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := conn.OpenHTTP(scaler.Env{Pool: &scalertest.Pool{}}, &conn.HTTPAuth{}, conn.HTTPSettings{})
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{"X-Tenant": {"shop"}}
	posted, err := conn.NewPostJSON(at, header, []int{1})
	if err != nil {
		t.Fatal(err)
	}
	ways := map[string]struct {
		req  *http.Request
		want string
	}{
		"get":  {conn.NewGet(at, header), "GET shop  application/json "},
		"post": {posted, "POST shop application/json application/json [1]"},
		"form": {conn.NewPostForm(at, header, url.Values{"a": {"b"}}), "POST shop application/x-www-form-urlencoded application/json a=b"},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			source := conn.NewHTTPSource(client, at.Host, func(ctx context.Context) (scaler.Reading, error) {
				var got struct{ N float64 }
				err := client.AskJSON(ctx, way.req.Clone(ctx), conn.Refusals{}, &got, "asking")
				return scaler.Reading{Value: got.N}, err
			})
			answer, status = `{"n": 4}`, http.StatusOK
			if r, err := source.Measure(t.Context()); err != nil || r.Value != 4 || seen != way.want {
				t.Errorf("measured %v, %v by %q; expected 4 by %q", r.Value, err, seen, way.want)
			}
			for said, reason := range map[string]scaler.Reason{"<html>": scaler.ReasonBadAnswer, "401": scaler.ReasonDenied, "400": scaler.ReasonBadAnswer, "503": scaler.ReasonUnreachable} {
				answer, status = said, http.StatusOK
				_, _ = fmt.Sscan(said, &status)
				var known *scaler.Error
				if _, err := source.Measure(t.Context()); !errors.As(err, &known) || known.Reason != reason || strings.Contains(err.Error(), "html") {
					t.Errorf("an answer %s: %v; expected %s", said, err, reason)
				}
			}
		})
	}
	if len(header) != 1 {
		t.Errorf("the caller's header was changed: %v", header)
	}
	status = http.StatusOK
	if _, err := client.Ask(t.Context(), conn.NewGet(at.JoinPath("a%2Fb"), nil), conn.Refusals{}, "asking"); err != nil || path != "/a%2Fb" {
		t.Errorf("asked for %s, %v; expected the escape kept", path, err)
	}
	odd := conn.NewHTTPSource(client, at.Host, func(context.Context) (scaler.Reading, error) { return scaler.Reading{Value: math.NaN()}, nil })
	if _, err := odd.Measure(t.Context()); err == nil {
		t.Error("what is no number was measured")
	}
}

func TestNumberAt(t *testing.T) {
	const document = `{"a": {"b": [1, "2", "10Ki", "x", true, null, {}, []]}}`
	for path, want := range map[string]string{
		"a.b.0": "1", "a.b.1": "2", "a.b.2": "10240", "a.b.3": "there is a text", "a.b.4": "there is a boolean", "a.b.5": "there is null",
		"a.b.6": "there is an object", "a.b.7": "there is a list", "a.c": "there is nothing at that path",
	} {
		n, err := conn.NumberAt([]byte(document), path)
		if got := fmt.Sprint(n); err == nil && got != want || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, %v; expected %s", path, n, err, want)
		}
	}
	if _, err := conn.NumberAt([]byte("{"), "a"); err == nil {
		t.Error("what is no JSON was read")
	}
}
