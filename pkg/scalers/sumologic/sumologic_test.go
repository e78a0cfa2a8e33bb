package sumologic

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func with(m map[string]string, more ...string) map[string]string {
	for i := 0; i < len(more); i += 2 {
		if m[more[i]] = more[i+1]; more[i+1] == "" {
			delete(m, more[i])
		}
	}
	return m
}

func logsTrigger(address string, more ...string) map[string]string {
	return with(map[string]string{
		"host": address, "queryType": "logs", "query": "_view=orders | count", "resultField": "_count", "timerange": "5m", "threshold": "5", "logsPollingInterval": "100ms",
	}, more...)
}

func metricsTrigger(address string, more ...string) map[string]string {
	return with(map[string]string{
		"host": address, "queryType": "metrics", "query": "metric=orders | sum", "quantization": "15s", "timerange": "5m", "threshold": "5",
	}, more...)
}

func credentials() map[string]string {
	return map[string]string{"accessID": "id-of-keda", "accessKey": "key-of-keda"}
}

func knows(r *http.Request) bool {
	id, key, _ := r.BasicAuth()
	return id == "id-of-keda" && key == "key-of-keda"
}

func at() time.Time { return time.Date(2026, 11, 26, 3, 5, 0, 0, time.FixedZone("", 3600)) }

// bodies keeps what was sent last.
type bodies struct {
	mu   sync.Mutex // guards last
	last map[string]any
}

func (b *bodies) read(t *testing.T, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil || len(raw) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last = nil
	if err := json.Unmarshal(raw, &b.last); err != nil {
		t.Errorf("sent %s: %v", raw, err)
	}
}

func TestLogsConformance(t *testing.T) {
	var sent bodies
	server := scalertest.NewNumbers(t, knows, func(w http.ResponseWriter, r *http.Request, n float64) {
		switch cookie, _ := r.Cookie("AWSELB"); {
		case r.Method == http.MethodPost:
			sent.read(t, r)
			http.SetCookie(w, &http.Cookie{Name: "AWSELB", Value: "node1"})
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"id":"37589506F194FC80"}`)
		case cookie == nil || cookie.Value != "node1":
			w.WriteHeader(http.StatusNotFound)
		case strings.HasSuffix(r.URL.Path, "/records"):
			_, _ = fmt.Fprintf(w, `{"records":[{"map":{"_count":"%v"}}]}`, n)
		case r.Method == http.MethodGet:
			_, _ = io.WriteString(w, `{"state":"DONE GATHERING RESULTS","messageCount":9,"recordCount":1,"pendingErrors":[]}`)
		}
	})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: logsTrigger("https://sumo.example"), Auth: credentials(),
		ScalerEnv: func(e *scaler.Env) { e.Now = at },
		Fixture:   func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "host", "/sumo") },
	})
	asked := server.Asked()
	first := slices.IndexFunc(asked, func(r *http.Request) bool { return r.Method == http.MethodGet }) // others have been denied
	var got []string
	for _, r := range asked[first-1 : first+3] {
		got = append(got, r.Method+" "+r.URL.String())
	}
	const job = "/sumo/api/v1/search/jobs"
	want := []string{"POST " + job, "GET " + job + "/37589506F194FC80", "GET " + job + "/37589506F194FC80/records?limit=1&offset=0", "DELETE " + job + "/37589506F194FC80"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	body := map[string]any{"query": "_view=orders | count", "from": "2026-11-26T02:00:00Z", "to": "2026-11-26T02:05:00Z", "timeZone": "UTC"}
	if diff := cmp.Diff(body, sent.last); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestMetricsConformance(t *testing.T) {
	var sent bodies
	server := scalertest.NewNumbers(t, knows, func(w http.ResponseWriter, r *http.Request, n float64) {
		sent.read(t, r)
		_, _ = fmt.Fprintf(w, `{"queryResult":[{"rowId":"A","timeSeriesList":{"timeSeries":[{"points":{"timestamps":[1],"values":[77]}},{"points":{}}]}},
			{"rowId":"B","timeSeriesList":{"timeSeries":[{"points":{"timestamps":[1,2],"values":[1,%v]}}]}}],"errors":{"id":"x","errors":[]}}`, n)
	})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Auth: credentials(),
		Metadata: metricsTrigger("https://sumo.example", "query", "", "query.B", "#A | sum", "query.A", "metric=orders", "resultQueryRowID", "B",
			"rollup", "Max", "queryAggregator", "Latest", "timezone", "Asia/Kolkata"),
		ScalerEnv: func(e *scaler.Env) { e.Now = at },
		Fixture:   func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "host", "") },
	})
	if asked := server.Asked()[0]; asked.Method+" "+asked.URL.String() != "POST /api/v1/metricsQueries" {
		t.Errorf("asked %s %s", asked.Method, asked.URL)
	}
	row := func(id, query string) any {
		return map[string]any{"rowId": id, "query": query, "quantization": 15000.0, "rollup": "Max"}
	}
	boundary := func(t string) any { return map[string]any{"type": "Iso8601TimeRangeBoundary", "iso8601Time": t} }
	want := map[string]any{
		"queries":   []any{row("A", "metric=orders"), row("B", "#A | sum")},
		"timeRange": map[string]any{"type": "BeginBoundedTimeRange", "from": boundary("2026-11-26T02:00:00Z"), "to": boundary("2026-11-26T02:05:00Z")},
	}
	if diff := cmp.Diff(want, sent.last); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func open(t testing.TB, metadata map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, &config{pause: time.Millisecond}, param.Values{Metadata: metadata, Auth: credentials()}, scaler.Env{})
}

// want is what a measurement gives: a value with a note, or an error.
type want struct {
	value  float64
	note   string
	reason scaler.Reason
	said   string
}

func (c want) check(t *testing.T, r scaler.Reading, err error) {
	t.Helper()
	if c.reason != "" {
		scalertest.Refused(t, err, c.reason, c.said, "s3cret")
	} else if err != nil || r.Value != c.value || !strings.Contains(r.Note, c.note) {
		t.Errorf("measured %+v, %v; expected %+v", r, err, c)
	}
}

func TestMetricsAnswers(t *testing.T) {
	series := func(values string) string {
		return `{"queryResult":[{"rowId":"A","timeSeriesList":{"timeSeries":[{"points":{"timestamps":[1,2,3],"values":` + values + `}}]}}]}`
	}
	for name, c := range map[string]struct {
		body string
		how  string
		want want
	}{
		"latest":        {series(`[5,1,3]`), "Latest", want{value: 3}},
		"average":       {series(`[5,1,3]`), "Avg", want{value: 3}},
		"sum":           {series(`[5,1,3]`), "Sum", want{value: 9}},
		"count":         {series(`[5,1,3]`), "Count", want{value: 3}},
		"min":           {series(`[5,1,3]`), "Min", want{value: 1}},
		"max":           {series(`[5,1,3]`), "max", want{value: 5}},
		"null":          {series(`[5,null]`), "Latest", want{value: 5}},
		"no values":     {series(`[]`), "Avg", want{reason: scaler.ReasonMissing, said: "no value within"}},
		"only nulls":    {series(`[null]`), "Avg", want{reason: scaler.ReasonMissing, said: "no value within"}},
		"no series":     {`{"queryResult":[{"rowId":"A","timeSeriesList":{"timeSeries":[]}}]}`, "Avg", want{reason: scaler.ReasonMissing, said: "no time series"}},
		"two series":    {`{"queryResult":[{"rowId":"A","timeSeriesList":{"timeSeries":[{},{}]}}]}`, "Avg", want{reason: scaler.ReasonMisconfigured, said: "2 time series"}},
		"another row":   {`{"queryResult":[{"rowId":"B"}]}`, "Avg", want{reason: scaler.ReasonBadAnswer, said: "no result for row A"}},
		"no rows":       {`{}`, "Avg", want{reason: scaler.ReasonBadAnswer, said: "no result for row A"}},
		"a query error": {`{"errors":{"errors":[{"code":"metrics:invalid_query","message":"s3cret"}]}}`, "Avg", want{reason: scaler.ReasonMisconfigured, said: "the query failed"}},
		"wrong type":    {series(`"s3cret"`), "Avg", want{reason: scaler.ReasonBadAnswer, said: "not the JSON expected"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, http.StatusOK, c.body)
			r, err := open(t, metricsTrigger(server.URL, "queryAggregator", c.how)).Measure(context.Background())
			c.want.check(t, r, err)
		})
	}
}

// TestStatuses: what later may work is tried again, and nothing else.
func TestStatuses(t *testing.T) {
	for name, c := range map[string]struct {
		statuses []int
		tries    string
		asked    int
		want     want
	}{
		"at once":        {[]int{200}, "3", 1, want{value: 2}},
		"the third time": {[]int{503, 429, 200}, "3", 3, want{value: 2}},
		"not again":      {[]int{503, 429, 200}, "2", 2, want{reason: scaler.ReasonUnreachable, said: "429"}},
		"bad query":      {[]int{400, 200}, "3", 1, want{reason: scaler.ReasonMisconfigured, said: "not accepted"}},
		"denied":         {[]int{401, 200}, "3", 1, want{reason: scaler.ReasonDenied, said: "401"}},
		"no API there":   {[]int{404, 200}, "3", 1, want{reason: scaler.ReasonMissing, said: "404"}},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(c.statuses[asked])
				asked++
				if raw, err := io.ReadAll(r.Body); err != nil || !json.Valid(raw) {
					t.Errorf("sent %q, %v; expected the query each time", raw, err)
				}
				_, _ = io.WriteString(w, `{"queryResult":[{"rowId":"A","timeSeriesList":{"timeSeries":[{"points":{"values":[2]}}]}}]}`)
			}))
			t.Cleanup(server.Close)
			r, err := open(t, metricsTrigger(server.URL, "maxRetries", c.tries)).Measure(context.Background())
			c.want.check(t, r, err)
			if asked != c.asked {
				t.Errorf("asked %d times; expected %d", asked, c.asked)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	const host = "http://s"
	for name, c := range map[string]struct {
		metadata map[string]string
		said     string
	}{
		"logs":                        {logsTrigger(host), ""},
		"logs without a query":        {logsTrigger(host, "query", ""), "metadata.query: is missing"},
		"logs without a field":        {logsTrigger(host, "resultField", ""), "resultField: is missing"},
		"logs with rows":              {logsTrigger(host, "query.A", "x"), "expected query alone"},
		"metrics":                     {metricsTrigger(host), ""},
		"metrics, no quantization":    {metricsTrigger(host, "quantization", ""), "quantization: is missing"},
		"metrics, no query":           {metricsTrigger(host, "query", ""), "query: is missing"},
		"rows":                        {metricsTrigger(host, "query", "", "query.A", "x", "resultQueryRowID", "A"), ""},
		"rows without the one":        {metricsTrigger(host, "query", "", "query.A", "x"), `found ""; expected the row of a query: A`},
		"rows without that one":       {metricsTrigger(host, "query", "", "query.A", "x", "query.B", "y", "resultQueryRowID", "C"), `found "C"; expected the row of a query: A, B`},
		"a query beside rows":         {metricsTrigger(host, "query.A", "x", "resultQueryRowID", "A"), "which are not used"},
		"an unknown zone":             {logsTrigger(host, "timezone", "Mars/Base"), "no known time zone"},
		"an unknown type":             {logsTrigger(host, "queryType", "traces"), "queryType"},
		"a time range of no duration": {logsTrigger(host, "timerange", "-5m"), "timerange"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range scaler.Decode(Kinds()[0].New(), param.Values{Metadata: c.metadata, Auth: credentials()}) {
				got = append(got, p.String())
			}
			if all := strings.Join(got, "; "); len(got) > 1 || (c.said == "") != (len(got) == 0) || !strings.Contains(all, c.said) {
				t.Errorf("got %s; expected %q", all, c.said)
			}
		})
	}
}

// BenchmarkTriggers polls 100 triggers on one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, `{"queryResult":[{"rowId":"A","timeSeriesList":{"timeSeries":[{"points":{"values":[2]}}]}}]}`)
	scalertest.BenchTriggers(b, s.URL, func(addr string, i int) scaler.Source {
		return open(b, metricsTrigger("http://"+addr, "query", fmt.Sprint("metric=orders", i)))
	})
}
