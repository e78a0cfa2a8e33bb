package influxdb

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const flux = `from(bucket: "jobs") |> range(start: -5m) |> last()`

func merged(m map[string]string, more ...string) map[string]string {
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	maps.DeleteFunc(m, func(_, v string) bool { return v == "" })
	return m
}

func metadata(address string, more ...string) map[string]string {
	return merged(map[string]string{"serverURL": address, "organizationName": "the shop", "query": flux, "thresholdValue": "5"}, more...)
}

func metadata3(address string, more ...string) map[string]string {
	return merged(map[string]string{
		"serverURL": address, "influxVersion": "3", "database": "jobs", "query": "SELECT waiting FROM queue", "metricKey": "waiting", "thresholdValue": "5",
	}, more...)
}

func auth() map[string]string { return map[string]string{"authToken": "token-of-keda"} }

// seen is what a server was asked.
type seen struct {
	mu    sync.Mutex
	lines []string
}

func (s *seen) note(r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf("%s %s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), r.Header.Get("Accept"), body))
}

func (s *seen) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

func conformance(t *testing.T, scheme string, trigger map[string]string, want string, answer func(io.Writer, float64)) {
	t.Helper()
	var asked seen
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("Authorization") == scheme+" token-of-keda" },
		func(w http.ResponseWriter, r *http.Request, n float64) {
			asked.note(r)
			answer(w, n)
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: trigger, Auth: auth(),
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "serverURL", "/below") },
	})
	if got, _, _ := strings.Cut(asked.all(), "\n"); got != want {
		t.Errorf("asked\n%s; expected\n%s", got, want)
	}
}

func TestConformance(t *testing.T) {
	t.Run("flux", func(t *testing.T) {
		conformance(t, "Token", metadata("http://influxdb.example"),
			`POST /below/api/v2/query?org=the+shop application/json application/csv `+
				`{"query":"from(bucket: \"jobs\") |\u003e range(start: -5m) |\u003e last()","type":"flux","dialect":{"annotations":["datatype"],"header":true,"delimiter":","}}`,
			func(w io.Writer, n float64) {
				_, _ = fmt.Fprintf(w, "#datatype,string,long,double,string\r\n,result,table,_value,_field\r\n,_result,0,%v,n\r\n\r\n", n)
			})
	})
	t.Run("influxql", func(t *testing.T) {
		conformance(t, "Bearer", metadata3("http://influxdb.example"),
			`POST /below/api/v3/query_influxql application/json application/json {"db":"jobs","q":"SELECT waiting FROM queue","format":"json"}`,
			func(w io.Writer, n float64) { _, _ = fmt.Fprintf(w, `[{"waiting": 99}, {"waiting": %v}]`, n) })
	})
	t.Run("sql", func(t *testing.T) {
		conformance(t, "Bearer", metadata3("http://influxdb.example", "queryType", "flightsql"),
			`POST /below/api/v3/query_sql application/json application/json {"db":"jobs","q":"SELECT waiting FROM queue","format":"json"}`,
			func(w io.Writer, n float64) { _, _ = fmt.Fprintf(w, `[{"waiting": %v}]`, n) })
	})
}

func open(t testing.TB, metadata map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata, Auth: auth()}, scaler.Env{})
}

// answered is one answer and what is made of it.
type answered struct {
	status int
	answer string
	value  float64
	reason scaler.Reason
	said   string
}

func (a answered) check(t *testing.T, metadata func(address string, more ...string) map[string]string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/query" { // all answers here are of the newer APIs
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.answer)
	}))
	t.Cleanup(server.Close)
	r, err := open(t, metadata(server.URL)).Measure(context.Background())
	if a.reason != "" {
		scalertest.Refused(t, err, a.reason, a.said, "the server's")
	} else if err != nil || r.Value != a.value || !strings.Contains(r.Note, a.said) || (a.said == "") != (r.Note == "") {
		t.Errorf("measured %+v, %v; expected %v and %q", r, err, a.value, a.said)
	}
}

func TestFluxAnswers(t *testing.T) {
	const header = "#datatype,string,long,double,string\n#group,false,false,false,true\n#default,_result,,,\n,result,table,_value,_field\n"
	typed := func(kind string) string { return strings.Replace(header, "double", kind, 1) }
	for name, a := range map[string]answered{
		"double":      {200, header + ",,0,2.5,n\n", 2.5, "", ""},
		"long":        {200, typed("long") + ",,0,7,n\n", 7, "", ""},
		"unsigned":    {200, typed("unsignedLong") + ",,0,7,n\n", 7, "", ""},
		"two rows":    {200, header + ",,0,1,n\n,,0,2,n\n", 1, "", "several values"},
		"two tables":  {200, header + ",,0,1,n\n\n" + typed("string") + ",,1,x,n\n", 1, "", "several values"},
		"nothing":     {200, "\r\n\r\n", 0, scaler.ReasonMissing, "returned nothing"},
		"no rows":     {200, header, 0, scaler.ReasonMissing, "returned nothing"},
		"null":        {200, header + ",,0,,n\n", 0, scaler.ReasonBadAnswer, "null"},
		"text":        {200, typed("string") + ",,0,3,n\n", 0, scaler.ReasonBadAnswer, "is string"},
		"time":        {200, typed("dateTime:RFC3339") + ",,0,3,n\n", 0, scaler.ReasonBadAnswer, "is dateTime:RFC3339"},
		"odd type":    {200, typed("the server's") + ",,0,3,n\n", 0, scaler.ReasonBadAnswer, "unknown type"},
		"odd number":  {200, header + ",,0,the server's,n\n", 0, scaler.ReasonBadAnswer, "no number"},
		"infinite":    {200, header + ",,0,+Inf,n\n", 0, scaler.ReasonBadAnswer, "not finite"},
		"no value":    {200, strings.Replace(header, "_value", "value", 1) + ",,0,3,n\n", 0, scaler.ReasonBadAnswer, "no column _value"},
		"short row":   {200, header + ",,0\n", 0, scaler.ReasonBadAnswer, "null"},
		"error table": {200, "#datatype,string,string\n,error,reference\n,the server's text,897\n", 0, scaler.ReasonBadAnswer, "failed while it ran"},
		"no CSV":      {200, "a\"b\n", 0, scaler.ReasonBadAnswer, "not the CSV"},
		"page":        {200, "<html>\n</html>\n", 0, scaler.ReasonBadAnswer, "no column _value"},
		"bad query":   {400, `{"message": "the server's text"}`, 0, scaler.ReasonMisconfigured, "can't run the query"},
		"failed":      {500, "error\nthe server's text\n", 0, scaler.ReasonUnreachable, "can't run the query"},
		"no bucket":   {404, `{"code": "not found"}`, 0, scaler.ReasonMissing, "no such organization or bucket"},
		"denied":      {401, `{"code": "unauthorized"}`, 0, scaler.ReasonDenied, "401"},
	} {
		t.Run(name, func(t *testing.T) { a.check(t, metadata) })
	}
}

func TestVersion3Answers(t *testing.T) {
	series := func(values string) string {
		return `{"results": [{"series": [{"name": "queue", "columns": ["time", "waiting"], "values": ` + values + `}]}]}`
	}
	for name, a := range map[string]answered{
		"last row":        {200, `[{"waiting": 1}, {"waiting": 2.5}]`, 2.5, "", ""},
		"null before":     {200, `[{"waiting": null}, {"waiting": 2}]`, 2, "", ""},
		"no rows":         {200, `[]`, 0, "", "counts as 0"},
		"null":            {200, `[{"waiting": 2}, {"waiting": null}]`, 0, scaler.ReasonBadAnswer, "is null"},
		"text":            {200, `[{"waiting": "2"}]`, 0, scaler.ReasonBadAnswer, "is no number"},
		"no column":       {200, `[{"n": 2}]`, 0, scaler.ReasonBadAnswer, `no column "waiting"`},
		"no objects":      {200, `[2]`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"series":          {200, series(`[["t", 1], ["t", 3]]`), 3, "", ""},
		"empty series":    {200, series(`[]`), 0, "", "counts as 0"},
		"no series":       {200, `{"results": [{"statement_id": 0}]}`, 0, "", "counts as 0"},
		"short row":       {200, series(`[["t"]]`), 0, scaler.ReasonBadAnswer, "no column"},
		"statement error": {200, `{"results": [{"error": "the server's text"}]}`, 0, scaler.ReasonMisconfigured, "can't run the query"},
		"error":           {200, `{"error": "the server's text"}`, 0, scaler.ReasonMisconfigured, "can't run the query"},
		"other JSON":      {200, `{}`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"page":            {200, `<html>`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"bad query":       {400, `{"error": "the server's text"}`, 0, scaler.ReasonMisconfigured, "can't run the query"},
		"no database":     {404, `the server's text`, 0, scaler.ReasonMissing, "no such database"},
		"denied":          {403, ``, 0, scaler.ReasonDenied, "403"},
	} {
		t.Run(name, func(t *testing.T) { a.check(t, metadata3) })
	}
	t.Run("sql without HTTP", func(t *testing.T) {
		answered{404, ``, 0, scaler.ReasonMissing, "only by gRPC"}.check(t, func(address string, more ...string) map[string]string {
			return metadata3(address, append(more, "queryType", "FlightSQL")...)
		})
	})
}

// TestOldAPI: InfluxQL goes by version 1's API where there is no newer one,
// which is asked for once.
func TestOldAPI(t *testing.T) {
	var asked seen
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.note(r)
		if r.URL.Path != "/query" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, `{"results": [{"series": [{"columns": ["time", "waiting"], "values": [["t", 3]]}]}]}`)
	}))
	t.Cleanup(server.Close)
	s := open(t, metadata3(server.URL))
	for range 2 {
		if r, err := s.Measure(context.Background()); err != nil || r.Value != 3 {
			t.Fatalf("measured %+v, %v", r, err)
		}
	}
	const old = "POST /query?db=jobs application/x-www-form-urlencoded application/json q=SELECT+waiting+FROM+queue"
	want := `POST /api/v3/query_influxql application/json application/json {"db":"jobs","q":"SELECT waiting FROM queue","format":"json"}` + "\n" + old + "\n" + old
	if got := asked.all(); got != want {
		t.Errorf("asked\n%s; expected\n%s", got, want)
	}
}

func TestChecks(t *testing.T) {
	for name, c := range map[string]struct {
		metadata map[string]string
		said     string
	}{
		"no organization": {metadata("http://a", "organizationName", ""), "metadata.organizationName: is missing"},
		"no database":     {metadata3("http://a", "database", ""), "metadata.database: is missing"},
		"no column":       {metadata3("http://a", "metricKey", ""), "metadata.metricKey: is missing"},
		"language":        {metadata3("http://a", "queryType", "flux"), `metadata.queryType: found "flux"`},
		"version":         {metadata("http://a", "influxVersion", "1"), "metadata.influxVersion: found"},
		"address":         {metadata("influxdb:8086"), "metadata.serverURL: found"},
		"threshold":       {metadata("http://a", "thresholdValue", "0"), "metadata.thresholdValue: found"},
	} {
		t.Run(name, func(t *testing.T) {
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: c.metadata, Auth: auth()})
			if len(ps) != 1 || !strings.HasPrefix(ps[0].String(), c.said) {
				t.Errorf("got %v; expected only %q", ps, c.said)
			}
		})
	}
	ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: metadata("http://a", "queryType", "flux", "authTokenFromEnv", "TOKEN"), Env: map[string]string{"TOKEN": "t"}})
	if len(ps) > 0 {
		t.Errorf("queryType matters for version 2: %v", ps)
	}
}

// TestNoToken: a server without logins is asked without one.
func TestNoToken(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if said := r.Header.Values("Authorization"); len(said) > 0 {
			t.Errorf("asked with %q", said)
		}
		_, _ = io.WriteString(w, `[{"waiting": 3}]`)
	}))
	t.Cleanup(server.Close)
	s := scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata3(server.URL)}, scaler.Env{})
	if r, err := s.Measure(t.Context()); err != nil || r.Value != 3 {
		t.Errorf("measured %+v, %v", r, err)
	}
}

func TestMetric(t *testing.T) {
	for want, m := range map[string]map[string]string{"influxdb-the shop": metadata("http://a"), "influxdb-jobs": metadata3("http://a")} {
		c := Kinds()[0].New()
		if err := scaler.Decode(c, param.Values{Metadata: m, Auth: auth()}).Err(); err != nil || c.Metric() != want {
			t.Errorf("the metric is %s, %v; expected %s", c.Metric(), err, want)
		}
	}
}

// BenchmarkTriggers polls 100 triggers on one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, "#datatype,string,long,double\n,result,table,_value\n,,0,3\n")
	scalertest.BenchTriggers(b, s.URL, func(addr string, _ int) scaler.Source {
		return open(b, metadata("http://"+addr))
	})
}
