package huawei

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const clock = 1_790_000_012_345

func now() time.Time { return time.UnixMilli(clock) }

func metadata(more ...string) map[string]string {
	return scalertest.Given(map[string]string{
		"namespace": "SYS.ELB", "metricName": "mb_l7_qps", "dimensionName": "lbaas_instance_id", "dimensionValue": "one", "targetMetricValue": "5",
	}, more...)
}

func keys(more ...string) map[string]string {
	return scalertest.Given(map[string]string{
		"AccessKey": "AK", "SecretKey": "SK-of-keda", "ProjectID": "0b0a", "Region": "eu-west-101",
		"IdentityEndpoint": "https://iam.example/v3", "DomainID": "0a9b", "Domain": "shop",
	}, more...)
}

// kindAt is the kind with Cloud Eye at an address that the test tells.
func kindAt(address *string) scaler.Kind {
	k := Kinds()[0]
	k.New = func() scaler.Config {
		return &config{endpoint: func(string, string) *url.URL { return &url.URL{Scheme: "http", Host: *address, Path: "/"} }}
	}
	return k
}

// signed checks a request's signature as the server does, with its own copy of
// the secret key.
func signed(r *http.Request) bool {
	body, _ := io.ReadAll(r.Body)
	copied := r.Clone(r.Context())
	copied.Header.Del("Authorization")
	copied.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(body))), nil }
	at, err := time.Parse(dateForm, r.Header.Get(dateHeader))
	if err != nil {
		return false
	}
	s := &signer{access: "AK", secret: param.Hide("SK-of-keda"), now: func() time.Time { return at }}
	return s.Sign(r.Context(), copied) == nil && copied.Header.Get("Authorization") == r.Header.Get("Authorization")
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t, signed, func(w http.ResponseWriter, _ *http.Request, n float64) {
		_, _ = fmt.Fprintf(w, `{"metrics": [{"namespace": "SYS.ELB", "metric_name": "mb_l7_qps", "unit": "Count/s",
			"dimensions": [{"name": "lbaas_instance_id", "value": "one"}], "datapoints": [{"average": 9, "timestamp": 1}, {"average": %v, "timestamp": 2}]}]}`, n)
	})
	address := server.Addr
	scalertest.Run(t, scalertest.Case{
		Kind: kindAt(&address), Metadata: metadata(), Auth: keys(),
		Fixture: func(t *testing.T) scalertest.Fixture {
			f := server.Fixture(t, "unused", "")
			f.Metadata, address = nil, f.Proxy.Addr
			return f
		},
	})
	asked := server.Asked()[0]
	if got := asked.Method + " " + asked.URL.String(); got != "POST /V1.0/0b0a/batch-query-metric-data" || asked.Header.Get("X-Project-Id") != "0b0a" {
		t.Errorf("asked %s with %v", got, asked.Header)
	}
}

// eye is Cloud Eye with values of instances: the dimension's value is the
// metric's, and anything else has no points. It refuses the namespace BAD.
type eye struct {
	mu    sync.Mutex // guards asked
	asked []string
}

// ServeHTTP implements http.Handler.
func (e *eye) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	e.mu.Lock()
	e.asked = append(e.asked, string(raw))
	e.mu.Unlock()
	var body struct{ Metrics []metric }
	if err := json.Unmarshal(raw, &body); err != nil || strings.Contains(string(raw), `"BAD"`) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var out []map[string]any
	for i := len(body.Metrics) - 1; i >= 0; i-- { // in any order
		m := body.Metrics[i]
		points := []map[string]any{}
		var n float64
		if _, err := fmt.Sscan(m.Dimensions[0].Value, &n); err == nil {
			points = append(points, map[string]any{"average": n, "timestamp": 1})
		}
		out = append(out, map[string]any{"namespace": m.Namespace, "metric_name": m.Name, "dimensions": m.Dimensions, "datapoints": points})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"metrics": out})
}

func open(t testing.TB, address string, metadata, auth map[string]string) scaler.Source {
	t.Helper()
	address = strings.TrimPrefix(address, "http://")
	return scalertest.Open(t, kindAt(&address).New(), param.Values{Metadata: metadata, Auth: auth}, scaler.Env{Pool: &scalertest.Pool{}, Now: now})
}

// TestBatch: one request is for the metrics of many triggers, each once; one
// that is refused does not fail the others.
func TestBatch(t *testing.T) {
	e := &eye{}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	var sources []scaler.Source
	for _, value := range []string{"1", "2.5", "1", "none"} {
		sources = append(sources, open(t, server.URL, metadata("dimensionValue", value), keys()))
	}
	results := sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources)
	for i, want := range []float64{1, 2.5, 1} {
		if results[i].Err != nil || results[i].Reading.Value != want {
			t.Errorf("trigger %d: %+v; expected %v", i, results[i], want)
		}
	}
	if err := results[3].Err; scaler.ReasonOf(err) != scaler.ReasonMissing || !strings.Contains(err.Error(), "no point") {
		t.Errorf("got %v for a metric without points", err)
	}
	of := func(value string) string {
		return `{"namespace":"SYS.ELB","dimensions":[{"name":"lbaas_instance_id","value":"` + value + `"}],"metric_name":"mb_l7_qps"}`
	}
	want := `{"metrics":[` + of("1") + "," + of("2.5") + "," + of("none") + `],"from":1789999680000,"to":1789999980000,"period":"300","filter":"average"}`
	if diff := cmp.Diff([]string{want}, e.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}

	e.asked = nil
	sources = append(sources, open(t, server.URL, metadata("namespace", "BAD"), keys()))
	results = sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources)
	if err := results[4].Err; scaler.ReasonOf(err) != scaler.ReasonMisconfigured || !strings.Contains(err.Error(), `"BAD"`) {
		t.Errorf("got %v for a namespace that is refused", err)
	}
	if results[1].Err != nil || results[1].Reading.Value != 2.5 || len(e.asked) != 1+len(sources) {
		t.Errorf("the others got %+v by %d requests", results[1], len(e.asked))
	}
}

// TestBatchSize: requests stay within the points that one may be for.
func TestBatchSize(t *testing.T) {
	e := &eye{}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	var sources []scaler.Source
	for i := range 5 {
		sources = append(sources, open(t, server.URL, metadata("dimensionValue", fmt.Sprint(i), "metricPeriod", "1", "metricCollectionTime", "1499"), keys()))
	}
	for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
		if r.Err != nil || r.Reading.Value != float64(i) {
			t.Errorf("trigger %d: %+v", i, r)
		}
	}
	if len(e.asked) != 3 {
		t.Errorf("%d requests for 5 metrics of 1500 points; expected 3", len(e.asked))
	}
}

// TestBatchKeys: what a request has once is not mixed, and nothing shows.
func TestBatchKeys(t *testing.T) {
	key := func(metadata, auth map[string]string) string {
		return open(t, "http://a.example", metadata, auth).(scaler.Batcher).BatchKey()
	}
	first := key(metadata(), keys())
	if again := key(metadata("dimensionValue", "two", "namespace", "SYS.ECS"), keys()); again != first {
		t.Errorf("the keys of two metrics are %s and %s", first, again)
	}
	for name, other := range map[string]string{
		"filter": key(metadata("metricFilter", "max"), keys()), "period": key(metadata("metricPeriod", "60"), keys()),
		"time": key(metadata("metricCollectionTime", "600"), keys()), "project": key(metadata(), keys("ProjectID", "other")),
		"secret key": key(metadata(), keys("SecretKey", "another")),
	} {
		if other == first || strings.Contains(other, "another") {
			t.Errorf("another %s has the key %s", name, other)
		}
	}
}

func TestAnswers(t *testing.T) {
	answer := func(points string) string {
		return `{"metrics": [{"namespace": "SYS.ELB", "metric_name": "mb_l7_qps", "dimensions": [{"name": "lbaas_instance_id", "value": "one"}], "datapoints": ` + points + `}]}`
	}
	for name, c := range map[string]struct {
		status int
		answer string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"newest":         {200, answer(`[{"average": 1, "timestamp": 20}, {"average": 2.5, "timestamp": 30}, {"average": 3, "timestamp": 10}]`), 2.5, "", ""},
		"zero":           {200, answer(`[{"average": 0, "timestamp": 20}]`), 0, "", ""},
		"no points":      {200, answer(`[]`), 0, scaler.ReasonMissing, "no point"},
		"another metric": {200, `{"metrics": []}`, 0, scaler.ReasonMissing, "no such metric"},
		"another filter": {200, answer(`[{"max": 1, "timestamp": 20}]`), 0, scaler.ReasonBadAnswer, "average"},
		"null":           {200, answer(`[{"average": null, "timestamp": 20}]`), 0, scaler.ReasonBadAnswer, "average"},
		"text":           {200, answer(`[{"average": "hunter2", "timestamp": 20}]`), 0, scaler.ReasonBadAnswer, "average"},
		"no time":        {200, answer(`[{"average": 1}]`), 0, scaler.ReasonBadAnswer, "timestamp"},
		"no JSON":        {200, `hunter2`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"bad request":    {400, `{"message": "hunter2"}`, 0, scaler.ReasonMisconfigured, "namespace"},
		"denied":         {403, `{"message": "hunter2"}`, 0, scaler.ReasonDenied, "403"},
		"no project":     {404, `hunter2`, 0, scaler.ReasonMissing, "no such project"},
		"too many":       {429, `hunter2`, 0, scaler.ReasonUnreachable, "429"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, c.status, c.answer)
			r, err := open(t, server.URL, metadata(), keys()).Measure(t.Context())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said, "hunter2")
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.value)
			}
		})
	}
}

// TestParameters: the deprecated threshold counts where the other is not set,
// and hosts can't be made of what is no name.
func TestParameters(t *testing.T) {
	for name, c := range map[string]struct {
		metadata, auth map[string]string
		activation     float64
		said           string
	}{
		"none":         {metadata(), keys(), 0, ""},
		"activation":   {metadata("activationTargetMetricValue", "1.5"), keys(), 1.5, ""},
		"minimum":      {metadata("minMetricValue", "1.1"), keys(), 1.1, "use activationTargetMetricValue"},
		"both":         {metadata("minMetricValue", "1.1", "activationTargetMetricValue", "1.5"), keys(), 1.5, "use activationTargetMetricValue"},
		"bad region":   {metadata(), keys("Region", "a/b"), 0, "Region: has more"},
		"bad cloud":    {metadata(), keys("Cloud", "a@b"), 0, "Cloud: has more"},
		"short window": {metadata("metricPeriod", "1200"), keys(), 0, "less than metricPeriod"},
		"bad filter":   {metadata("metricFilter", "variance"), keys(), 0, "average, max, min, sum"},
	} {
		t.Run(name, func(t *testing.T) {
			config := Kinds()[0].New()
			found := scaler.Decode(config, param.Values{Metadata: c.metadata, Auth: c.auth})
			if (c.said == "") != (len(found) == 0) || !strings.Contains(fmt.Sprint(found), c.said) {
				t.Errorf("got %v; expected %q", found, c.said)
			}
			if target, activation := scaler.TargetOf(config); target != 5 || activation != c.activation || config.Metric() != "huawei-cloudeye-mb_l7_qps" {
				t.Errorf("the metric is %s, the target %v, the activation threshold %v; expected 5 and %v", config.Metric(), target, activation, c.activation)
			}
		})
	}
}

// BenchmarkTriggers polls 100 triggers of one project.
func BenchmarkTriggers(b *testing.B) {
	s := httptest.NewServer(&eye{})
	defer s.Close()
	scalertest.BenchTriggers(b, s.URL, func(addr string, i int) scaler.Source {
		return open(b, addr, metadata("dimensionValue", fmt.Sprint(i)), keys())
	})
}
