package conn

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
)

func TestAsk(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(map[string]int{"/ok": 200, "/bad": 400, "/none": 404, "/denied": 403, "/failed": 500}[r.URL.Path])
		_, _ = io.WriteString(w, "the server's text, asked with "+r.Header.Get("X-Name"))
	}))
	t.Cleanup(server.Close)
	asker := client(t, testEnv(), nil, nil)
	for path, c := range map[string]struct {
		reason scaler.Reason
		said   string
	}{
		"/ok": {"", ""}, "/bad": {scaler.ReasonMisconfigured, "400 Bad Request: change it"},
		"/none": {scaler.ReasonMissing, "404 Not Found: make it"}, "/denied": {scaler.ReasonDenied, "403 Forbidden"},
		"/failed": {scaler.ReasonUnreachable, "500 Internal Server Error: mend it"},
	} {
		u, err := url.Parse(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := asker.Ask(t.Context(), NewGet(u, http.Header{"X-Name": {"x"}}), Refusals{BadRequest: "change it", NotFound: "make it", Failed: "mend it"}, "asking")
		if c.reason == "" {
			if err != nil || string(body) != "the server's text, asked with x" {
				t.Errorf("%s: got %q, %v", path, body, err)
			}
			continue
		}
		if scaler.ReasonOf(err) != c.reason || !strings.HasSuffix(err.Error(), c.said) || body != nil {
			t.Errorf("%s: got %q, %v; expected %s with %q", path, body, err, c.reason, c.said)
		}
	}
}

func TestBasic(t *testing.T) {
	r := &http.Request{Header: http.Header{"Authorization": {Basic("keda", param.Hide("a:b"))}}}
	if user, password, ok := r.BasicAuth(); !ok || user != "keda" || password != "a:b" {
		t.Errorf("got %q, %q, %v", user, password, ok)
	}
}
