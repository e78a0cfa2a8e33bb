package prometheus

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const lines = `sum(count_over_time({app="shop"}[1m]))`

func TestLokiConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer token-of-keda" },
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			_, _ = fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1790000000.1,"%v"]}],"stats":{}}}`, n)
		})
	scalertest.Run(t, scalertest.Case{
		Kind:     lokiKind(),
		Metadata: map[string]string{"serverAddress": "http://loki.example", "query": lines, "threshold": "10", "tenantName": "shop", "authModes": "bearer"},
		Auth:     map[string]string{"bearerToken": "token-of-keda"},
		Fixture:  func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "serverAddress", "") },
	})
	asked := server.Asked()[0]
	if got, want := asked.URL.String(), "/loki/api/v1/query?query=sum%28count_over_time%28%7Bapp%3D%22shop%22%7D%5B1m%5D%29%29"; got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
	if got := asked.Header.Get("X-Scope-OrgID"); got != "shop" {
		t.Errorf("the tenant is %q; expected shop", got)
	}
}

func openLoki(t testing.TB, metadata map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, lokiKind().New(), param.Values{Metadata: metadata}, env())
}

// TestLokiAnswers: what Loki answers in its own way is told apart.
func TestLokiAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		more   []string
		value  float64
		note   string
		reason scaler.Reason
		said   string
	}{
		"one series":       {status: 200, body: `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"app":"shop"},"value":[1,"2.5"]}]}}`, value: 2.5},
		"scalar":           {status: 200, body: `{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`, value: 2},
		"none, counts":     {status: 200, body: `{"status":"success","data":{"resultType":"vector","result":[]}}`, note: "counts as 0"},
		"none, fails":      {status: 200, body: `{"status":"success","data":{"resultType":"vector","result":[]}}`, more: []string{"ignoreNullValues", "false"}, reason: scaler.ReasonMissing, said: "no series"},
		"two series":       {status: 200, body: `{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"2"]},{"value":[1,"2"]}]}}`, reason: scaler.ReasonMisconfigured, said: "2 series"},
		"log lines":        {status: 200, body: `{"status":"success","data":{"resultType":"streams","result":[]}}`, reason: scaler.ReasonMisconfigured, said: "log lines"},
		"null":             {status: 200, body: `{"status":"success","data":{"resultType":"vector","result":[{"value":[1,null]}]}}`, reason: scaler.ReasonBadAnswer, said: "no value"},
		"null scalar":      {status: 200, body: `{"status":"success","data":{"resultType":"scalar","result":[1,null]}}`, reason: scaler.ReasonBadAnswer, said: "malformed"},
		"a bad query":      {status: 400, body: `parse error at line 1, col 1: s3cret`, reason: scaler.ReasonMisconfigured, said: "refused the query"},
		"no such path":     {status: 404, body: `404 page not found`, reason: scaler.ReasonMissing, said: "404"},
		"too many queries": {status: 429, body: `too many outstanding requests`, reason: scaler.ReasonUnreachable, said: "429"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, c.status, c.body)
			r, err := openLoki(t, trigger(server.URL, lines, c.more...)).Measure(context.Background())
			if c.reason == "" {
				if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.note) {
					t.Errorf("measured %+v, %v; expected %v with a note on %q", r, err, c.value, c.note)
				}
				return
			}
			scalertest.Refused(t, err, c.reason, c.said, "s3cret")
		})
	}
}

// TestLokiAddress: the API's path is completed where part of it is given.
func TestLokiAddress(t *testing.T) {
	for given, want := range map[string]string{
		"http://loki":                    "/loki/api/v1/query",
		"http://loki/":                   "/loki/api/v1/query",
		"http://loki/loki":               "/loki/api/v1/query",
		"http://loki/loki/api/v1/":       "/loki/api/v1/query",
		"http://loki/loki/api/v1/query":  "/loki/api/v1/query",
		"http://loki/logs":               "/logs/loki/api/v1/query",
		"http://loki/lo":                 "/lo/loki/api/v1/query",
		"http://loki/proxy/loki/api/v1/": "/proxy/loki/api/v1/loki/api/v1/query",
	} {
		c := lokiKind().New().(*loki)
		if err := scaler.Decode(c, param.Values{Metadata: trigger(given, lines)}).Err(); err != nil {
			t.Fatal(err)
		}
		if got := below(c.address, lokiPath, c.query).Path; got != want {
			t.Errorf("%s: asks %s; expected %s", given, got, want)
		}
	}
}

// BenchmarkLokiTriggers polls 100 triggers with different queries on one server.
func BenchmarkLokiTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, `{"status":"success","data":{"resultType":"vector","result":[{"value":[1,"2"]}]}}`)
	scalertest.BenchTriggers(b, s.URL, func(addr string, i int) scaler.Source {
		return openLoki(b, trigger("http://"+addr, fmt.Sprintf(`sum(rate({app="%d"}[1m]))`, i)))
	})
}
