package dynatrace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const token = "token-of-keda"

func selector() map[string]string {
	return map[string]string{"host": "https://abc.live.example", "metricSelector": "shop.orders:sum:fold(avg)", "from": "now-30m", "threshold": "5"}
}

func query() map[string]string {
	return map[string]string{
		"host": "https://abc.apps.example", "query": "timeseries { r = max(`shop.orders`, scalar: true) }", "threshold": "5",
		"queryTimeoutSeconds": "7", "queryPollingWait": "0s", "queryPollingTries": "3",
	}
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("Authorization") == "Api-Token "+token },
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			_, _ = fmt.Fprintf(w, `{"totalCount":1,"result":[{"metricId":"x","data":[{"dimensions":[],"timestamps":[1],"values":[%v]}]}]}`, n)
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: selector(), Auth: map[string]string{"token": token},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "host", "/e/abc/") },
	})
	asked := server.Asked()[0]
	if got, want := asked.URL.String(), "/e/abc/api/v2/metrics/query?from=now-30m&metricSelector=shop.orders%3Asum%3Afold%28avg%29"; got != want || asked.Method != http.MethodGet {
		t.Errorf("asked %s %s; expected GET %s", asked.Method, got, want)
	}
}

func TestQueryConformance(t *testing.T) {
	var mu sync.Mutex // guards body
	var body string
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+token },
		func(w http.ResponseWriter, r *http.Request, n float64) {
			if r.Method == http.MethodPost {
				raw, _ := io.ReadAll(r.Body)
				mu.Lock()
				body = string(raw)
				mu.Unlock()
				w.WriteHeader(http.StatusAccepted)
				_, _ = io.WriteString(w, `{"state":"RUNNING","requestToken":"a+b/c=","ttlSeconds":399}`)
				return
			}
			_, _ = fmt.Fprintf(w, `{"state":"SUCCEEDED","progress":100,"result":{"records":[{"r":%v}],"types":[],"metadata":{}}}`, n)
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: query(), Auth: map[string]string{"token": token},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "host", "") },
	})
	got := map[string]bool{}
	for _, r := range server.Asked() {
		got[r.Method+" "+r.URL.String()] = true
	}
	if diff := cmp.Diff(map[string]bool{
		"POST /platform/storage/query/v1/query:execute":                                                          true,
		"GET /platform/storage/query/v1/query:poll?request-timeout-milliseconds=1000&request-token=a%2Bb%2Fc%3D": true,
	}, got); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if want := `{"fetchTimeoutSeconds":7,"maxResultRecords":2,"query":"timeseries { r = max(` + "`shop.orders`" + `, scalar: true) }","requestTimeoutMilliseconds":1000}`; body != want {
		t.Errorf("sent %s; expected %s", body, want)
	}
}

// TestParameters: one of the two ways is chosen, and what belongs to the
// other is told.
func TestParameters(t *testing.T) {
	for name, c := range map[string]struct {
		metadata map[string]string
		more     map[string]string
		paths    []string
	}{
		"both":             {selector(), map[string]string{"query": "fetch logs", "from": ""}, []string{"metadata.metricSelector"}},
		"neither":          {selector(), map[string]string{"metricSelector": ""}, []string{"metadata.metricSelector"}},
		"selector's":       {selector(), map[string]string{"queryPollingTries": "3", "queryTimeoutSeconds": "1"}, []string{"metadata.queryTimeoutSeconds", "metadata.queryPollingTries"}},
		"query's":          {query(), map[string]string{"from": "now-1h"}, []string{"metadata.from"}},
		"no tries":         {query(), map[string]string{"queryPollingTries": "0"}, []string{"metadata.queryPollingTries"}},
		"backwards":        {query(), map[string]string{"queryPollingWait": "-1s"}, []string{"metadata.queryPollingWait"}},
		"host of auth":     {query(), map[string]string{"host": ""}, nil},
		"no number to aim": {query(), map[string]string{"threshold": ""}, []string{"metadata.threshold"}},
	} {
		t.Run(name, func(t *testing.T) {
			maps.Copy(c.metadata, c.more)
			var got []string
			for _, p := range scaler.Decode(Kinds()[0].New(), param.Values{Metadata: c.metadata, Auth: map[string]string{"token": token, "host": "https://abc.example"}}) {
				got = append(got, p.Path)
			}
			if diff := cmp.Diff(c.paths, got); diff != "" {
				t.Errorf("problems of (-want +got):\n%s", diff)
			}
		})
	}
}

func open(t testing.TB, address string, metadata map[string]string) scaler.Source {
	t.Helper()
	metadata["host"] = address
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata, Auth: map[string]string{"token": token}}, scaler.Env{})
}

// outcome is what the answers must come to; the last is given again.
type outcome struct {
	status  int
	answers []string
	value   float64
	note    string
	reason  scaler.Reason
	said    string
}

func (o outcome) check(t *testing.T, metadata map[string]string) {
	var mu sync.Mutex // guards next
	next := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.WriteHeader(max(o.status, http.StatusOK))
		_, _ = io.WriteString(w, o.answers[min(next, len(o.answers)-1)])
		next++
	}))
	t.Cleanup(server.Close)
	r, err := open(t, server.URL, metadata).Measure(context.Background())
	if o.reason != "" {
		scalertest.Refused(t, err, o.reason, o.said, "s3cret")
	} else if err != nil || r.Value != o.value || !strings.Contains(r.Note, o.note) || o.note == "" && r.Note != "" {
		t.Errorf("measured %+v, %v; expected %v with %q", r, err, o.value, o.note)
	}
}

// TestAnswers: no value is a failure and never 0.
func TestAnswers(t *testing.T) {
	data := func(text string) []string { return []string{`{"result":[{"data":[` + text + `]}]}`} }
	for name, c := range map[string]outcome{
		"one":         {answers: data(`{"values":[2.5]}`), value: 2.5},
		"two values":  {answers: data(`{"values":[1,2]}`), value: 1, note: "2 values"},
		"two series":  {answers: data(`{"values":[3]},{"values":[4]}`), value: 3, note: "2 series"},
		"null":        {answers: data(`{"values":[null]}`), reason: scaler.ReasonMissing, said: "first value of the series is none"},
		"null first":  {answers: data(`{"values":[null,3]}`), reason: scaler.ReasonMissing, said: "fold"},
		"no values":   {answers: data(`{"values":[]}`), reason: scaler.ReasonMissing, said: "first value"},
		"no series":   {answers: data(``), reason: scaler.ReasonMissing, said: "no series"},
		"no metric":   {answers: []string{`{"result":[]}`}, reason: scaler.ReasonMissing, said: "no series"},
		"no result":   {answers: []string{`{"response":[]}`}, reason: scaler.ReasonBadAnswer, said: "no result"},
		"wrong type":  {answers: data(`{"values":["s3cret"]}`), reason: scaler.ReasonBadAnswer, said: "not the JSON expected"},
		"bad request": {status: 400, answers: []string{`{"error":{"message":"s3cret"}}`}, reason: scaler.ReasonMisconfigured, said: "expected a metricSelector"},
		"not found":   {status: 404, answers: []string{`s3cret`}, reason: scaler.ReasonMissing, said: "expected a metric that exists"},
		"denied":      {status: 403, answers: []string{`s3cret`}, reason: scaler.ReasonDenied, said: "403"},
	} {
		t.Run(name, func(t *testing.T) { c.check(t, selector()) })
	}
}

func TestQueryAnswers(t *testing.T) {
	const running = `{"state":"RUNNING","requestToken":"x"}`
	records := func(text string) []string {
		return []string{`{"state":"SUCCEEDED","result":{"records":[` + text + `]}}`}
	}
	for name, c := range map[string]outcome{
		"at once":      {answers: records(`{"r":2.5,"other":"s3cret"}`), value: 2.5},
		"whole number": {answers: records(`{"r":"1000"}`), value: 1000},
		"on third try": {answers: append([]string{running, `{"state":"NOT_STARTED"}`, running}, records(`{"r":7}`)...), value: 7},
		"two records":  {answers: records(`{"r":1},{"r":2}`), value: 1, note: "several records"},
		"too slow":     {answers: []string{running}, reason: scaler.ReasonUnreachable, said: "no result after 3 tries"},
		"no token":     {answers: []string{`{"state":"RUNNING"}`}, reason: scaler.ReasonBadAnswer, said: "no requestToken"},
		"failed":       {answers: []string{running, `{"state":"FAILED"}`}, reason: scaler.ReasonMisconfigured, said: "query failed"},
		"gone":         {answers: []string{running, `{"state":"RESULT_GONE"}`}, reason: scaler.ReasonUnreachable, said: "gone"},
		"odd state":    {answers: []string{`{"state":"s3cret"}`}, reason: scaler.ReasonBadAnswer, said: "no known state"},
		"no records":   {answers: records(``), reason: scaler.ReasonMissing, said: "no record"},
		"no r":         {answers: records(`{"x":1}`), reason: scaler.ReasonMissing, said: "field r"},
		"null":         {answers: records(`{"r":null}`), reason: scaler.ReasonMissing, said: "field r"},
		"list":         {answers: records(`{"r":[1,2]}`), reason: scaler.ReasonMisconfigured, said: "a list"},
		"text":         {answers: records(`{"r":"s3cret"}`), reason: scaler.ReasonMisconfigured, said: "a text"},
		"no object":    {answers: records(`3`), reason: scaler.ReasonBadAnswer, said: "not the JSON expected"},
		"no result":    {answers: []string{`{"state":"SUCCEEDED"}`}, reason: scaler.ReasonBadAnswer, said: "no result"},
		"bad query":    {status: 400, answers: []string{`{"error":{"message":"s3cret"}}`}, reason: scaler.ReasonMisconfigured, said: "expected a query"},
		"elsewhere":    {status: 404, answers: []string{`s3cret`}, reason: scaler.ReasonMissing, said: "apps"},
	} {
		t.Run(name, func(t *testing.T) { c.check(t, query()) })
	}
}

// TestPauseEnds: the wait between two tries ends with the measurement's time.
func TestPauseEnds(t *testing.T) {
	server := scalertest.Serve(t, http.StatusOK, `{"state":"RUNNING","requestToken":"x"}`)
	trigger := query()
	trigger["queryPollingWait"] = "1h"
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := open(t, server.URL, trigger).Measure(ctx); scaler.ReasonOf(err) != scaler.ReasonUnreachable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v; expected that its time was over", err)
	}
}

// BenchmarkTriggers polls 100 triggers with one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, `{"result":[{"data":[{"values":[3]}]}]}`)
	scalertest.BenchTriggers(b, s.URL, func(addr string, i int) scaler.Source {
		m := selector()
		m["metricSelector"] = fmt.Sprintf("shop.orders.%d:fold", i)
		return open(b, "http://"+addr, m)
	})
}
