package prometheus

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func ionosMetadata(host string) map[string]string {
	return map[string]string{"host": host, "query": `sum(up{job="a"})`, "threshold": "5"}
}

func TestIONOSConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer key-of-keda" },
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			_, _ = fmt.Fprintf(w, `{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1790000000, "%v"]}]}}`, n)
		})
	scalertest.Run(t, scalertest.Case{
		Kind: ionosKind(), Metadata: ionosMetadata("https://1-metrics.2.monitoring.de-txl.ionos.example"), Auth: map[string]string{"apiKey": "key-of-keda"},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "host", "") },
	})
	if got, want := server.Asked()[0].URL.String(), "/prometheus/api/v1/query?query=sum%28up%7Bjob%3D%22a%22%7D%29"; got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
}

func openIONOS(t testing.TB, metadata map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, ionosKind().New(), param.Values{Metadata: metadata, Auth: map[string]string{"apiKey": "key-of-keda"}}, scaler.Env{})
}

// TestIONOSHost: the address is taken as IONOS and as Grafana show it.
func TestIONOSHost(t *testing.T) {
	for given, want := range map[string]string{"": "", "/": "", "/prometheus": "", "/prometheus/api/v1/": "", "/proxy": "/proxy"} {
		s := openIONOS(t, ionosMetadata("http://a.example"+given)).(*source)
		if got := s.at.Path; got != want+"/prometheus/api/v1/query" {
			t.Errorf("http://a.example%s is asked at %s", given, got)
		}
	}
}

func TestIONOSAnswers(t *testing.T) {
	empty := func(ignore string) map[string]string { return map[string]string{"ignoreNullValues": ignore} }
	for name, c := range map[string]struct {
		status   int
		answer   string
		metadata map[string]string
		value    float64
		reason   scaler.Reason
		said     string
	}{
		"scalar":          {200, `{"status": "success", "data": {"resultType": "scalar", "result": [1790000000, "2.5"]}}`, nil, 2.5, "", ""},
		"nothing":         {200, `{"status": "success", "data": {"resultType": "vector", "result": []}}`, nil, 0, "", "counts as 0"},
		"nothing allowed": {200, `{"status": "success", "data": {"resultType": "vector", "result": []}}`, empty("false"), 0, scaler.ReasonMissing, "no series"},
		"infinite":        {200, `{"status": "success", "data": {"resultType": "scalar", "result": [1790000000, "+Inf"]}}`, nil, 0, scaler.ReasonBadAnswer, "finite"},
		"another API":     {200, `{"status": "ok"}`, nil, 0, scaler.ReasonBadAnswer, "IONOS Monitoring's query API"},
		"several series":  {200, `{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "1"]}, {"metric": {}, "value": [1, "1"]}]}}`, nil, 0, scaler.ReasonMisconfigured, "2 series"},
		"wrong key":       {401, `hunter2`, nil, 0, scaler.ReasonDenied, "401"},
		"overloaded":      {503, `hunter2`, nil, 0, scaler.ReasonUnreachable, "503"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, c.status, c.answer)
			metadata := ionosMetadata(server.URL)
			for k, v := range c.metadata {
				metadata[k] = v
			}
			r, err := openIONOS(t, metadata).Measure(t.Context())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said, "hunter2")
			} else if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.said) {
				t.Errorf("measured %+v, %v; expected %v with %q", r, err, c.value, c.said)
			}
		})
	}
}
