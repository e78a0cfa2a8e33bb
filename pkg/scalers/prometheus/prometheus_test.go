package prometheus

import (
	"context"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	promserver "github.com/kedago/keda/test/servers/prometheus"
)

func env() scaler.Env {
	return scaler.Env{Log: slog.New(slog.DiscardHandler), Pool: pool.New(), Now: time.Now, Namespace: "shop"}
}

// open decodes and opens a trigger, which must be right.
func open(t testing.TB, metadata, auth map[string]string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata, Auth: auth}, env())
}

func trigger(address, query string, more ...string) map[string]string {
	return scalertest.With(map[string]string{"serverAddress": address, "query": query, "threshold": "10"}, more...)
}

func TestRealPrometheus(t *testing.T) {
	s := promserver.Start(t)
	s.Push(t, 12.5, map[string]string{"__name__": "depth", "queue": "orders"})
	s.Push(t, 4, map[string]string{"__name__": "depth", "queue": "mails"})
	s.Push(t, math.NaN(), map[string]string{"__name__": "broken"})
	s.Push(t, math.Inf(1), map[string]string{"__name__": "endless"})
	tests := map[string]struct {
		query   string
		more    []string
		want    float64
		note    string
		reason  scaler.Reason
		mention string
	}{
		"one series":       {query: `depth{queue="orders"}`, want: 12.5},
		"sum":              {query: `sum(depth)`, want: 16.5},
		"scalar":           {query: `scalar(sum(depth)) * 2`, want: 33},
		"string":           {query: `"7.5"`, want: 7.5},
		"long query":       {query: `sum(depth)` + strings.Repeat(` + 0`, 2000), want: 16.5},
		"with a path":      {query: `sum(depth)`, more: []string{"serverAddress", s.URL + "/"}, want: 16.5},
		"several series":   {query: `depth`, reason: scaler.ReasonMisconfigured, mention: "2 series"},
		"no series":        {query: `absent_metric`, note: "no series"},
		"no series, error": {query: `absent_metric`, more: []string{"ignoreNullValues", "false"}, reason: scaler.ReasonMissing, mention: "no series"},
		"NaN":              {query: `broken`, reason: scaler.ReasonBadAnswer, mention: "NaN"},
		"infinite":         {query: `endless`, reason: scaler.ReasonBadAnswer, mention: "+Inf"},
		"division by zero": {query: `sum(depth) / 0`, reason: scaler.ReasonBadAnswer, mention: "+Inf"},
		"a range":          {query: `depth[5m]`, reason: scaler.ReasonMisconfigured, mention: "range"},
		"a text":           {query: `"many"`, reason: scaler.ReasonMisconfigured, mention: "no number"},
		"bad query":        {query: `sum(depth`, reason: scaler.ReasonMisconfigured, mention: "parse error"},
		"wrong path":       {query: `sum(depth)`, more: []string{"serverAddress", s.URL + "/nowhere"}, reason: scaler.ReasonMissing, mention: "404"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := open(t, trigger(s.URL, tc.query, tc.more...), nil).Measure(context.Background())
			if want := strings.HasPrefix(tc.query, "absent"); got.Empty != want {
				t.Errorf("empty is %t, want %t", got.Empty, want)
			}
			if tc.reason != "" {
				scalertest.Refused(t, err, tc.reason, tc.mention)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Value != tc.want || !strings.Contains(got.Note, tc.note) {
				t.Errorf("got %+v, want %v with a note on %q", got, tc.want, tc.note)
			}
		})
	}
}

// TestFaults checks that nothing but a well-formed answer becomes a number.
func TestFaults(t *testing.T) {
	const secret = "s3cret"
	tests := map[string]struct {
		status int
		body   string
		want   scaler.Reason
	}{
		"empty":             {200, ``, scaler.ReasonBadAnswer},
		"a web page":        {200, `<html>` + secret, scaler.ReasonBadAnswer},
		"other JSON":        {200, `{"value": 3}`, scaler.ReasonBadAnswer},
		"cut short":         {200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2`, scaler.ReasonBadAnswer},
		"no value":          {200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{}`, scaler.ReasonBadAnswer},
		"malformed value":   {200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}`, scaler.ReasonBadAnswer},
		"malformed scalar":  {200, `{"status":"success","data":{"resultType":"scalar","result":{}}}`, scaler.ReasonBadAnswer},
		"malformed string":  {200, `{"status":"success","data":{"resultType":"string","result":{}}}`, scaler.ReasonBadAnswer},
		"unknown type":      {200, `{"status":"success","data":{"resultType":"streams","result":[]}}`, scaler.ReasonBadAnswer},
		"histogram":         {200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"3","sum":"1","buckets":[]}]}]}}`, scaler.ReasonMisconfigured},
		"error with 200":    {200, `{"status":"error","errorType":"internal","error":"` + secret + `"}`, scaler.ReasonBadAnswer},
		"execution":         {422, `{"status":"error","errorType":"execution","error":"` + secret + `"}`, scaler.ReasonBadAnswer},
		"bad data":          {400, `{"status":"error","errorType":"bad_data","error":"` + secret + `"}`, scaler.ReasonMisconfigured},
		"timeout":           {503, `{"status":"error","errorType":"timeout","error":"` + secret + `"}`, scaler.ReasonUnreachable},
		"internal":          {500, `{"status":"error","errorType":"internal","error":"` + secret + `"}`, scaler.ReasonUnreachable},
		"unavailable":       {503, secret, scaler.ReasonUnreachable},
		"denied":            {403, `{"status":"error","errorType":"bad_data","error":"x"}`, scaler.ReasonDenied},
		"vector, not found": {404, `{"status":"success","data":{"resultType":"vector","result":[]}}`, scaler.ReasonMissing},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := scalertest.Serve(t, tc.status, tc.body)
			got, err := open(t, trigger(s.URL, "up"), nil).Measure(context.Background())
			if err == nil || scaler.ReasonOf(err) != tc.want {
				t.Fatalf("got %+v, %v; want %s", got, err, tc.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error repeats the answer: %v", err)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	var got *http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		_, _ = io.WriteString(w, `{"status":"success","warnings":["w"],"data":{"resultType":"scalar","result":[1,"3"]}}`)
	}))
	defer s.Close()
	src := open(t, trigger(s.URL+"/select/0/prometheus", `a{b="c&d"}`, "namespace", "shop", "authModes", "basic",
		"customHeaders", "X-Scope-OrgID=t1", "queryParameters", "partial_response=false,query=other"),
		map[string]string{"username": "u", "password": "p"})
	r, err := src.Measure(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r.Value != 3 || !strings.Contains(r.Note, "warnings of the server: 1") {
		t.Errorf("got %+v", r)
	}
	want := url.Values{"query": {`a{b="c&d"}`}, "namespace": {"shop"}, "partial_response": {"false"}}
	if diff := cmp.Diff(want, got.URL.Query()); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
	u, p, _ := got.BasicAuth()
	if got.URL.Path != "/select/0/prometheus/api/v1/query" || got.Header.Get("X-Scope-OrgID") != "t1" || u != "u" || p != "p" {
		t.Errorf("path %q, headers %v", got.URL.Path, got.Header)
	}
	if host := src.(scaler.Hosted).Host(); "http://"+host != s.URL {
		t.Errorf("host %q", host)
	}
}

// TestFirstAPI checks that what the container has of AWS is of no account to
// another Prometheus.
func TestFirstAPI(t *testing.T) {
	c := Kinds()[0].New()
	v := param.Values{Metadata: trigger("http://p:9090", "up", "metricName", "x"), EnvNames: true, Env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIAENV"}}
	if err := scaler.Decode(c, v).Err(); err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(t.Context(), env())
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}

func TestProblems(t *testing.T) {
	tests := map[string]struct {
		metadata map[string]string
		want     []string
	}{
		"right":               {trigger("http://p:9090", "up"), nil},
		"first API's name":    {trigger("http://p:9090", "up", "metricName", "x"), []string{"warning metadata.metricName"}},
		"nothing":             {nil, []string{"error metadata.serverAddress", "error metadata.query", "error metadata.threshold"}},
		"no scheme":           {trigger("p:9090", "up"), []string{"error metadata.serverAddress"}},
		"no threshold":        {trigger("http://p", "up", "threshold", "0"), []string{"error metadata.threshold"}},
		"timeout 0":           {trigger("http://p", "up", "timeout", "0"), []string{"error metadata.timeout"}},
		"credential in plain": {trigger("http://p", "up", "customHeaders", "authorization=Bearer x"), []string{"warning metadata.customHeaders"}},
		"cloud Private":       {trigger("https://p", "up", "cloud", "Private"), []string{"error metadata.azureManagedPrometheusResourceURL"}},
		"audience of no use":  {trigger("https://p", "up", "azureManagedPrometheusResourceURL", "https://a/.default"), []string{"warning metadata.azureManagedPrometheusResourceURL"}},
		"Cortex' tenant":      {trigger("https://p", "up", "cortexOrgID", "shop"), []string{"warning metadata.cortexOrgID"}},
		"no region":           {trigger("https://p", "up", "awsRegion", "eu/west"), []string{"error metadata.awsRegion"}},
		"unknown mode":        {trigger("http://p", "up", "authModes", "apiKey"), []string{"error metadata.authModes"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range scaler.Decode(Kinds()[0].New(), param.Values{Metadata: tc.metadata}) {
				got = append(got, string(p.Severity)+" "+p.Path)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
