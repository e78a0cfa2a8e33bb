package datadog

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const (
	apiKey = "api-key-of-keda"
	appKey = "app-key-of-keda"
	token  = "token-of-keda"
)

var now = time.Unix(1_790_000_090, 0)

func queryTrigger() (metadata, auth map[string]string) {
	return map[string]string{"query": "sum:shop.orders{env:prod}", "targetValue": "5"},
		map[string]string{"apiKey": apiKey, "appKey": appKey}
}

func agentTrigger() (metadata, auth map[string]string) {
	return map[string]string{"useClusterAgentProxy": "true", "datadogMetricName": "orders", "datadogMetricNamespace": "shop", "targetValue": "5"},
		map[string]string{"datadogMetricsService": "agent", "datadogNamespace": "datadog", "authMode": "bearer", "token": token}
}

// kindAt is the kind with Datadog or the cluster agent at an address that the
// test tells.
func kindAt(address *string) scaler.Kind {
	k := Kinds()[0]
	at := func(string) *url.URL { return &url.URL{Scheme: "http", Host: *address} }
	k.New = func() scaler.Config { return &config{api: at, agent: at} }
	return k
}

// conform runs the suite, and returns the requests.
func conform(t *testing.T, metadata, auth map[string]string, knows func(*http.Request) bool, answer string) []*http.Request {
	t.Helper()
	server := scalertest.NewNumbers(t, knows, func(w http.ResponseWriter, _ *http.Request, n float64) { _, _ = fmt.Fprintf(w, answer, n) })
	address := server.Addr
	scalertest.Run(t, scalertest.Case{
		Kind: kindAt(&address), Metadata: metadata, Auth: auth,
		ScalerEnv: func(e *scaler.Env) { e.Now = func() time.Time { return now } },
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := server.Fixture(t, "unused", "")
			f.Metadata, address = nil, f.Proxy.Addr
			return f
		},
	})
	return server.Asked()
}

func TestConformance(t *testing.T) {
	metadata, auth := queryTrigger()
	metadata["timeWindowOffset"] = "30"
	knows := func(r *http.Request) bool {
		return r.Header.Get("DD-API-KEY") == apiKey && r.Header.Get("DD-APPLICATION-KEY") == appKey
	}
	asked := conform(t, metadata, auth, knows, `{"status":"ok","series":[{"pointlist":[[1790000000000,7],[1790000030000,%v],[1790000060000,null]]}]}`)
	if got, want := asked[0].URL.String(), "/api/v1/query?from=1789999970&query=sum%3Ashop.orders%7Benv%3Aprod%7D&to=1790000060"; got != want || asked[0].Method != http.MethodGet {
		t.Errorf("asked %s %s; expected GET %s", asked[0].Method, got, want)
	}
}

func TestAgentConformance(t *testing.T) {
	metadata, auth := agentTrigger()
	asked := conform(t, metadata, auth, func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+token },
		`{"kind":"ExternalMetricValueList","items":[{"metricName":"datadogmetric@shop:orders","value":"%v"}]}`)
	if got, want := asked[0].URL.String(), "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/datadogmetric@shop:orders"; got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
}

func TestAddresses(t *testing.T) {
	if got := api("us3.datadoghq.com").String(); got != "https://api.us3.datadoghq.com" {
		t.Errorf("the API is at %s", got)
	}
	if got := agent("agent.datadog:8443").String(); got != "https://agent.datadog:8443" {
		t.Errorf("the cluster agent is at %s", got)
	}
}

func decode(t testing.TB, address string, metadata, auth map[string]string, more map[string]string) scaler.Config {
	t.Helper()
	maps.Copy(metadata, more)
	c := kindAt(&address).New()
	if err := scaler.Decode(c, param.Values{Metadata: metadata, Auth: auth}).Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t testing.TB, c scaler.Config) scaler.Source {
	t.Helper()
	s, err := c.Open(t.Context(), scaler.Env{Pool: &scalertest.Pool{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestRoles: the two ways have activation thresholds and metrics of their own.
func TestRoles(t *testing.T) {
	both := map[string]string{"activationQueryValue": "2", "activationTargetValue": "3"}
	metadata, auth := queryTrigger()
	query := decode(t, "", metadata, auth, both)
	metadata, auth = agentTrigger()
	proxy := decode(t, "", metadata, auth, both)
	got := []any{query.Metric(), proxy.Metric()}
	for _, c := range []scaler.Config{query, proxy} {
		target, activation := scaler.TargetOf(c)
		got = append(got, target, activation)
	}
	if diff := cmp.Diff([]any{"datadog-sum:shop.orders", "datadogmetric@shop:orders", 5.0, 2.0, 5.0, 3.0}, got); diff != "" {
		t.Errorf("metrics, targets and activation (-want +got):\n%s", diff)
	}
}

// TestRefused: what the two ways lack is said, of each its own.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		agent    bool
		metadata map[string]string
		auth     map[string]string
		path     string
		said     string
	}{
		"no query":      {metadata: map[string]string{"query": ""}, path: "metadata.query", said: "is missing"},
		"no scope":      {metadata: map[string]string{"query": "sum:shop.orders"}, path: "metadata.query", said: "no scope"},
		"open scope":    {metadata: map[string]string{"query": "a}{b"}, path: "metadata.query", said: "no scope"},
		"no key":        {auth: map[string]string{"apiKey": ""}, path: "authenticationRef.apiKey", said: "is missing"},
		"no app key":    {auth: map[string]string{"appKey": ""}, path: "authenticationRef.appKey", said: "is missing"},
		"site with @":   {auth: map[string]string{"datadogSite": "x@example.com"}, path: "authenticationRef.datadogSite", said: "is no site"},
		"aggregator":    {metadata: map[string]string{"queryAggregator": "min"}, path: "metadata.queryAggregator", said: "average"},
		"age":           {metadata: map[string]string{"age": "-1"}, path: "metadata.age", said: "-1"},
		"no metric":     {agent: true, metadata: map[string]string{"datadogMetricName": ""}, path: "metadata.datadogMetricName", said: "is missing"},
		"odd namespace": {agent: true, metadata: map[string]string{"datadogMetricNamespace": "a/../b"}, path: "metadata.datadogMetricNamespace", said: "is no name"},
		"no service":    {agent: true, auth: map[string]string{"datadogMetricsService": ""}, path: "authenticationRef.datadogMetricsService", said: "is missing"},
		"odd service":   {agent: true, auth: map[string]string{"datadogNamespace": "x:1/"}, path: "authenticationRef.datadogNamespace", said: "is no name"},
		"other mode":    {agent: true, auth: map[string]string{"authMode": "basic"}, path: "metadata.authModes", said: "expected bearer"},
		"no token":      {agent: true, auth: map[string]string{"token": ""}, path: "authenticationRef.token", said: "is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			metadata, auth := queryTrigger()
			if c.agent {
				metadata, auth = agentTrigger()
			}
			maps.Copy(metadata, c.metadata)
			maps.Copy(auth, c.auth)
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: metadata, Auth: auth}).Errors()
			if len(ps) != 1 || ps[0].Path != c.path || !strings.Contains(ps[0].Message, c.said) {
				t.Errorf("got %v; expected one problem of %s with %q", ps, c.path, c.said)
			}
		})
	}
}

// outcome is what an answer must come to.
type outcome struct {
	more   map[string]string
	status int
	answer string
	value  float64
	empty  bool
	reason scaler.Reason
	said   string
}

func (o outcome) check(t *testing.T, metadata, auth map[string]string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-RateLimit-Reset", "17")
		w.WriteHeader(max(o.status, http.StatusOK))
		_, _ = io.WriteString(w, o.answer)
	}))
	t.Cleanup(server.Close)
	r, err := open(t, decode(t, strings.TrimPrefix(server.URL, "http://"), metadata, auth, o.more)).Measure(context.Background())
	if o.reason == "" {
		if err != nil || r.Value != o.value || r.Empty != o.empty || o.empty && !strings.Contains(r.Note, o.said) {
			t.Errorf("measured %+v, %v; expected %v with %q", r, err, o.value, o.said)
		}
		return
	}
	scalertest.Refused(t, err, o.reason, o.said, "s3cret")
	if o.status == http.StatusTooManyRequests && scaler.RetryAfterOf(err) != 17*time.Second {
		t.Errorf("a pause of %v is asked for; expected 17s", scaler.RetryAfterOf(err))
	}
}

// TestAnswers: no value is a failure, or what the user says.
func TestAnswers(t *testing.T) {
	fill := map[string]string{"metricUnavailableValue": "1.5"}
	offset := func(n string, more map[string]string) map[string]string {
		out := map[string]string{"lastAvailablePointOffset": n}
		maps.Copy(out, more)
		return out
	}
	average, most := map[string]string{"queryAggregator": "average"}, map[string]string{"queryAggregator": "max"}
	const points = `{"status":"ok","series":[{"pointlist":[[1,1],[2,null],[3,3],[4,4],[5,null]]}]}`
	const two = `{"status":"ok","series":[{"pointlist":[[1,1]]},{"pointlist":[[1,4]]}]}`
	for name, c := range map[string]outcome{
		"last":               {answer: points, value: 4},
		"one before":         {more: offset("1", nil), answer: points, value: 3},
		"null before":        {more: offset("2", nil), answer: points, reason: scaler.ReasonMissing, said: "no value at the point"},
		"null before, fill":  {more: offset("2", fill), answer: points, value: 1.5, empty: true, said: "counts as 1.5"},
		"too far before":     {more: offset("9", nil), answer: points, reason: scaler.ReasonMissing, said: "no value at the point"},
		"negative":           {answer: `{"series":[{"pointlist":[[1,-2.5]]}]}`, value: -2.5},
		"two series":         {answer: two, reason: scaler.ReasonMisconfigured, said: "2 series"},
		"two, average":       {more: average, answer: two, value: 2.5},
		"two, max":           {more: most, answer: two, value: 4},
		"one of two is null": {more: most, answer: `{"series":[{"pointlist":[[1,1]]},{"pointlist":[[1,null]]}]}`, reason: scaler.ReasonMissing, said: "no value at the point"},
		"no series":          {answer: `{"status":"ok","series":[]}`, reason: scaler.ReasonMissing, said: "no series"},
		"no series, fill":    {more: fill, answer: `{"status":"ok","series":[]}`, value: 1.5, empty: true, said: "counts as 1.5"},
		"no points":          {answer: `{"series":[{"pointlist":[]}]}`, reason: scaler.ReasonMissing, said: "no value at the point"},
		"no points, fill":    {more: fill, answer: `{"series":[{"pointlist":[]}]}`, value: 1.5, empty: true, said: "metricUnavailableValue"},
		"short point":        {answer: `{"series":[{"pointlist":[[1]]}]}`, reason: scaler.ReasonMissing, said: "no value at the point"},
		"no list":            {answer: `{"status":"ok"}`, reason: scaler.ReasonBadAnswer, said: "no list of series"},
		"wrong type":         {answer: `{"series":3}`, reason: scaler.ReasonBadAnswer, said: "not the JSON expected"},
		"error":              {answer: `{"status":"error","error":"s3cret","series":[]}`, reason: scaler.ReasonMisconfigured, said: "could not run"},
		"bad query":          {status: 400, answer: `{"errors":["s3cret"]}`, reason: scaler.ReasonMisconfigured, said: "refused the query"},
		"bad key":            {status: 403, answer: `{"errors":["s3cret"]}`, reason: scaler.ReasonDenied, said: "403"},
		"no value":           {status: 422, answer: `s3cret`, reason: scaler.ReasonMissing, said: "no value for the query"},
		"no value, fill":     {status: 422, more: fill, value: 1.5, empty: true, said: "counts as 1.5"},
		"too often":          {status: 429, reason: scaler.ReasonUnreachable, said: "429"},
	} {
		t.Run(name, func(t *testing.T) {
			metadata, auth := queryTrigger()
			c.check(t, metadata, auth)
		})
	}
}

func TestAgentAnswers(t *testing.T) {
	fill := map[string]string{"metricUnavailableValue": "0"}
	for name, c := range map[string]outcome{
		"number":         {answer: `{"items":[{"value":4.5}]}`, value: 4.5},
		"quantity":       {answer: `{"items":[{"value":"4500m"}]}`, value: 4.5},
		"no items":       {answer: `{"items":[]}`, reason: scaler.ReasonBadAnswer, said: "nothing at that path"},
		"null":           {answer: `{"items":[{"value":null}]}`, reason: scaler.ReasonBadAnswer, said: "null"},
		"text":           {answer: `{"items":[{"value":"s3cret"}]}`, reason: scaler.ReasonBadAnswer, said: "expected a number"},
		"no JSON":        {answer: `s3cret`, reason: scaler.ReasonBadAnswer, said: "no JSON"},
		"unknown":        {status: 404, answer: `{"message":"s3cret"}`, reason: scaler.ReasonMissing, said: "404"},
		"not allowed":    {status: 403, reason: scaler.ReasonDenied, said: "403"},
		"no value":       {status: 422, answer: `{"message":"s3cret"}`, reason: scaler.ReasonMissing, said: "no valid value"},
		"no value, fill": {status: 422, more: fill, empty: true, said: "counts as 0"},
	} {
		t.Run(name, func(t *testing.T) {
			metadata, auth := agentTrigger()
			c.check(t, metadata, auth)
		})
	}
}

// BenchmarkTriggers polls 100 triggers with one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, `{"status":"ok","series":[{"pointlist":[[1,3]]}]}`)
	scalertest.BenchTriggers(b, s.URL, func(addr string, i int) scaler.Source {
		metadata, auth := queryTrigger()
		return open(b, decode(b, addr, metadata, auth, map[string]string{"query": fmt.Sprintf("sum:shop.orders{shop:%d}", i)}))
	})
}
