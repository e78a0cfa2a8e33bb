package newrelic

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const key = "NRAK-of-keda"

func metadata() map[string]string {
	return map[string]string{"account": "1234567", "nrql": "SELECT count(*) FROM Order", "threshold": "5"}
}

// kindAt is the kind with NerdGraph at an address that the test tells.
func kindAt(address *string) scaler.Kind {
	k := Kinds()[0]
	k.New = func() scaler.Config {
		return &config{endpoint: func(string) *url.URL { return &url.URL{Scheme: "http", Host: *address, Path: "/graphql"} }}
	}
	return k
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("API-Key") == key },
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			_, _ = fmt.Fprintf(w, `{"data":{"actor":{"account":{"nrql":{"results":[{"count":%v}]}}}}}`, n)
		})
	address := server.Addr
	scalertest.Run(t, scalertest.Case{
		Kind: kindAt(&address), Metadata: metadata(), Auth: map[string]string{"queryKey": key},
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := server.Fixture(t, "unused", "")
			f.Metadata, address = nil, f.Proxy.Addr
			return f
		},
	})
	asked, body := server.Asked()[0], server.Sent()[0]
	if asked.Method != http.MethodPost || asked.URL.String() != "/graphql" || asked.Header.Get("Content-Type") != "application/json" {
		t.Errorf("asked %s %s with %s", asked.Method, asked.URL, asked.Header)
	}
	var sent struct {
		Query     string
		Variables map[string]any
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"account": 1234567.0, "nrql": "SELECT count(*) FROM Order"}, sent.Variables); diff != "" || !strings.Contains(sent.Query, "nrql(query: $nrql) { results }") {
		t.Errorf("sent %s (-want +got):\n%s", body, diff)
	}
}

func TestRegions(t *testing.T) {
	for region, want := range map[string]string{
		"US": "https://api.newrelic.com/graphql", "eu": "https://api.eu.newrelic.com/graphql",
		"STAGING": "https://staging-api.newrelic.com/graphql", "LOCAL": "http://localhost:3000/graphql",
	} {
		c := Kinds()[0].New().(*config)
		if got := c.endpoint(region).String(); got != want {
			t.Errorf("%s is at %s; expected %s", region, got, want)
		}
	}
}

func open(t testing.TB, address string, more ...string) scaler.Source {
	t.Helper()
	c := kindAt(&address).New()
	m := metadata()
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return scalertest.Open(t, c, param.Values{Metadata: m, Auth: map[string]string{"queryKey": key}}, scaler.Env{})
}

func rows(text string) string {
	return `{"data":{"actor":{"account":{"nrql":{"results":` + text + `}}}}}`
}

// TestAnswers: no data counts as 0 where the user says so, and what is no
// single number never does.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		strict bool
		value  float64
		note   string
		reason scaler.Reason
		said   string
	}{
		"a count":         {answer: rows(`[{"count":1000}]`), value: 1000},
		"a percentile":    {answer: rows(`[{"percentile.duration":{"95":1.25}}]`), value: 1.25},
		"a facet":         {answer: rows(`[{"facet":"shop","appName":"shop","count":7},{"facet":"x","appName":"x","count":3}]`), value: 7, note: "2 rows"},
		"a time series":   {answer: rows(`[{"beginTimeSeconds":1,"endTimeSeconds":2,"count":4}]`), value: 4},
		"zero":            {answer: rows(`[{"count":0}]`), strict: true},
		"no rows":         {answer: rows(`[]`), note: "no data"},
		"null":            {answer: rows(`[{"average.duration":null}]`), note: "no data"},
		"no rows, strict": {answer: rows(`[]`), strict: true, reason: scaler.ReasonMissing, said: "no data"},
		"null, strict":    {answer: rows(`[{"average.duration":null}]`), strict: true, reason: scaler.ReasonMissing, said: "no data"},
		"two numbers":     {answer: rows(`[{"count":1,"sum.x":2}]`), reason: scaler.ReasonMisconfigured, said: "2 numbers"},
		"two percentiles": {answer: rows(`[{"percentile.x":{"95":1,"99":2}}]`), reason: scaler.ReasonMisconfigured, said: "2 numbers"},
		"a text":          {answer: rows(`[{"latest.host":"s3cret"}]`), reason: scaler.ReasonMisconfigured, said: "a text"},
		"a list":          {answer: rows(`[{"uniques.host":["s3cret"]}]`), reason: scaler.ReasonMisconfigured, said: "a list"},
		"no results":      {answer: `{"data":{"actor":{"account":null}}}`, reason: scaler.ReasonBadAnswer, said: "no results"},
		"bad query":       {answer: `{"data":{"actor":{"account":{"nrql":null}}},"errors":[{"message":"s3cret","extensions":{"errorClass":"INVALID_INPUT"}}]}`, reason: scaler.ReasonMisconfigured, said: "query was refused"},
		"no access":       {answer: `{"errors":[{"message":"s3cret","extensions":{"errorClass":"ACCESS_DENIED"}}]}`, reason: scaler.ReasonDenied, said: "may not query"},
		"too slow":        {answer: `{"errors":[{"message":"s3cret","extensions":{"errorClass":"TIMEOUT"}}]}`, reason: scaler.ReasonUnreachable, said: "could not be run"},
		"wrong type":      {answer: rows(`3`), reason: scaler.ReasonBadAnswer, said: "not the JSON expected"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, http.StatusOK, c.answer)
			r, err := open(t, strings.TrimPrefix(server.URL, "http://"), "noDataError", fmt.Sprint(c.strict)).Measure(context.Background())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said, "s3cret")
			} else if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.note) || r.Empty != (c.note == "no data") {
				t.Errorf("measured %+v, %v; expected %v with a note on %q", r, err, c.value, c.note)
			}
		})
	}
}

// BenchmarkTriggers polls 100 triggers with one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, rows(`[{"count":3}]`))
	scalertest.BenchTriggers(b, s.URL, func(addr string, i int) scaler.Source {
		return open(b, addr, "nrql", fmt.Sprintf("SELECT count(*) FROM Order WHERE shop = %d", i))
	})
}
