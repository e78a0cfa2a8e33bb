package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	motoserver "github.com/kedago/keda/test/servers/moto"
)

// metrics writes values of metrics, each a minute later than the one before.
type metrics struct {
	t      testing.TB
	client *cloudwatch.Client

	mu sync.Mutex // guards at
	at time.Time
}

func newMetrics(t testing.TB, s *motoserver.Server) *metrics {
	return &metrics{t: t, client: newCloudwatch(admin(s.URL)), at: time.Now().Truncate(time.Minute).Add(-time.Hour)}
}

// now is the clock of triggers: the end of the minute of the newest value.
func (m *metrics) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.at.Add(time.Minute)
}

func (m *metrics) put(ctx context.Context, queue string, n float64) {
	m.t.Helper()
	m.mu.Lock()
	m.at = m.at.Add(time.Minute)
	at := m.at.Add(time.Second)
	m.mu.Unlock()
	_, err := m.client.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("Shop"), MetricData: []types.MetricDatum{{
		MetricName: aws.String("Depth"), Value: &n, Timestamp: &at, Dimensions: []types.Dimension{{Name: aws.String("Queue"), Value: &queue}},
	}}})
	if err != nil {
		m.t.Fatal(err)
	}
}

func cloudwatchTrigger(pairs ...string) map[string]string {
	return scalertest.With(map[string]string{
		"namespace": "Shop", "metricName": "Depth", "dimensionName": "Queue", "dimensionValue": "jobs", "targetMetricValue": "5", "minMetricValue": "0",
		"metricStatPeriod": "60", "metricCollectionTime": "3600", "awsRegion": motoserver.Region,
	}, pairs...)
}

func TestCloudwatchConformance(t *testing.T) {
	s := motoserver.Start(t)
	m := newMetrics(t, s)
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "aws-cloudwatch"), Metadata: cloudwatchTrigger(), Auth: keys(),
		ScalerEnv: func(e *scaler.Env) { e.Now = m.now },
		Fixture: func(t *testing.T) scalertest.Fixture {
			f, _ := fixture(t, s)
			queue := func() (string, func(context.Context, float64)) {
				name := fmt.Sprint("queue-", names.Add(1))
				return name, func(ctx context.Context, n float64) { m.put(ctx, name, n) }
			}
			f.Metadata["dimensionValue"], f.Set = queue()
			for range 3 {
				name, set := queue()
				f.Siblings = append(f.Siblings, scalertest.Sibling{Metadata: map[string]string{"dimensionValue": name}, Set: set})
			}
			f.Bad = map[string]string{"dimensionValue": "empty", "ignoreNullValues": "false"}
			return f
		},
	})
}

func TestCloudwatchFirstAPI(t *testing.T) {
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "aws-cloudwatch"), Metadata: cloudwatchTrigger(), EnvNames: true,
		Env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": secretKey},
	})
}

// fleet opens n triggers, each with its own metric, of a moto whose requests
// are counted.
func fleet(t testing.TB, n int) ([]scaler.Source, *atomic.Int64) {
	t.Helper()
	s := motoserver.Start(t)
	m := newMetrics(t, s)
	upstream, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	pass := httputil.NewSingleHostReverseProxy(upstream)
	counted := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(counted.Close)
	env := newEnv()
	env.Now = m.now
	sources := make([]scaler.Source, n)
	for i := range sources {
		name := fmt.Sprint("fleet-", i)
		if i < 3 {
			m.put(t.Context(), name, float64(i+1))
		}
		sources[i] = open(t, "aws-cloudwatch", env, cloudwatchTrigger("dimensionValue", name, "awsEndpoint", counted.URL, "minMetricValue", "9"), keys())
	}
	return sources, &asked
}

// TestCloudwatchCost checks that a poll of 100 triggers is one request.
func TestCloudwatchCost(t *testing.T) {
	sources, asked := fleet(t, 100)
	first := sources[0].(scaler.Batcher)
	for round := range 3 {
		for i, r := range first.MeasureAll(t.Context(), sources) {
			want := 9.0
			if i < 3 {
				want = float64(i + 1)
			}
			if r.Err != nil || r.Reading.Value != want {
				t.Errorf("trigger %d: %+v, want %v", i, r, want)
			}
		}
		if n := asked.Swap(0); n != 1 {
			t.Errorf("round %d: %d requests", round, n)
		}
	}
}

// BenchmarkTriggersCloudwatch measures 100 triggers and reports the requests made.
func BenchmarkTriggersCloudwatch(b *testing.B) {
	sources, asked := fleet(b, 100)
	asked.Store(0)
	for b.Loop() {
		sources[0].(scaler.Batcher).MeasureAll(b.Context(), sources)
	}
	b.ReportMetric(float64(asked.Load())/float64(b.N), "requests/poll")
}

// query is a query of GetMetricData as a fake server sees it.
type query struct {
	ID         string `json:"Id"`
	Expression string
	MetricStat struct {
		Metric struct{ MetricName string }
	}
}

// cloudwatchAnswering is a CloudWatch that answers requests by answer.
func cloudwatchAnswering(t *testing.T, answer func(n int, token string, qs []query) (int, string)) string {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			MetricDataQueries []query
			NextToken         string
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		status, body := answer(int(n.Add(1)), in.NextToken, in.MetricDataQueries)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestCloudwatchAnswers(t *testing.T) {
	result := func(rest string) string { return `{"MetricDataResults":[{"Id":"q0","Label":"a",` + rest + `}]}` }
	const two = `{"MetricDataResults":[{"Id":"q0","Label":"a","Timestamps":[1],"Values":[1]},{"Id":"q0","Label":"b","Timestamps":[1],"Values":[2]}]}`
	expression := []string{"expression", "SEARCH('x', 'Sum')", "namespace", "", "metricName", "", "dimensionName", "", "dimensionValue", ""}
	for name, tc := range map[string]struct {
		status int
		body   string
		pairs  []string
		want   float64
		reason scaler.Reason
	}{
		"newest of several":   {200, result(`"StatusCode":"Complete","Timestamps":[60,180,120],"Values":[1,3,2]`), nil, 3, ""},
		"negative":            {200, result(`"StatusCode":"Complete","Timestamps":[60],"Values":[-2.5]`), nil, -2.5, ""},
		"no data":             {200, result(`"StatusCode":"Complete","Timestamps":[],"Values":[]`), []string{"minMetricValue", "7"}, 7, ""},
		"no data refused":     {200, result(`"StatusCode":"Complete"`), []string{"ignoreNullValues", "false"}, 0, scaler.ReasonMissing},
		"no data, older name": {200, result(`"StatusCode":"Complete"`), []string{"errorWhenMetricValuesEmpty", "true"}, 0, scaler.ReasonMissing},
		"left out":            {200, `{"MetricDataResults":[]}`, nil, 0, scaler.ReasonBadAnswer},
		"search of nothing":   {200, `{"MetricDataResults":[]}`, append([]string{"minMetricValue", "4"}, expression...), 4, ""},
		"several series":      {200, two, expression, 0, scaler.ReasonMisconfigured},
		"NaN":                 {200, result(`"Timestamps":[60],"Values":["NaN"]`), nil, 0, scaler.ReasonBadAnswer},
		"values without time": {200, result(`"Timestamps":[],"Values":[1]`), nil, 0, scaler.ReasonBadAnswer},
		"another query's":     {200, `{"MetricDataResults":[{"Id":"q7","Timestamps":[1],"Values":[1]}]}`, nil, 0, scaler.ReasonBadAnswer},
		"forbidden":           {200, result(`"StatusCode":"Forbidden"`), nil, 0, scaler.ReasonDenied},
		"internal":            {200, result(`"StatusCode":"InternalError"`), nil, 0, scaler.ReasonUnreachable},
		"endless":             {200, `{"NextToken":"more","MetricDataResults":[]}`, nil, 0, scaler.ReasonBadAnswer},
		"throttled":           {400, `{"__type":"Throttling","message":"Rate exceeded"}`, nil, 0, scaler.ReasonUnreachable},
		"invalid":             {400, `{"__type":"ValidationError","message":"Error in expression 'q0'"}`, nil, 0, scaler.ReasonMisconfigured},
		"expired":             {403, `{"__type":"ExpiredToken","message":"` + secretKey + `"}`, nil, 0, scaler.ReasonDenied},
	} {
		t.Run(name, func(t *testing.T) {
			at := cloudwatchAnswering(t, func(int, string, []query) (int, string) { return tc.status, tc.body })
			src := open(t, "aws-cloudwatch", newEnv(), cloudwatchTrigger(append(tc.pairs, "awsEndpoint", at)...), keys())
			r, err := src.Measure(t.Context())
			if tc.reason != "" {
				refused(t, err, tc.reason)
				return
			}
			if err != nil || r.Value != tc.want {
				t.Errorf("got %+v, %v; want %v", r, err, tc.want)
			}
		})
	}
}

func TestCloudwatchPages(t *testing.T) {
	at := cloudwatchAnswering(t, func(_ int, token string, _ []query) (int, string) {
		if token == "" {
			return 200, `{"NextToken":"2","MetricDataResults":[{"Id":"q0","Label":"a","StatusCode":"PartialData","Timestamps":[180],"Values":[3]}]}`
		}
		return 200, `{"MetricDataResults":[{"Id":"q0","Label":"a","StatusCode":"Complete","Timestamps":[120],"Values":[2]}]}`
	})
	r, err := open(t, "aws-cloudwatch", newEnv(), cloudwatchTrigger("awsEndpoint", at), keys()).Measure(t.Context())
	if err != nil || r.Value != 3 {
		t.Errorf("got %+v, %v; want 3", r, err)
	}
}

// TestCloudwatchRefusedQuery checks that a query that CloudWatch refuses fails
// alone, and is kept apart until it is taken.
func TestCloudwatchRefusedQuery(t *testing.T) {
	var requests, largest atomic.Int64
	at := cloudwatchAnswering(t, func(_ int, _ string, qs []query) (int, string) {
		requests.Add(1)
		largest.Store(max(largest.Load(), int64(len(qs))))
		var out []string
		for _, q := range qs {
			if q.MetricStat.Metric.MetricName == "bad" {
				return 400, `{"__type":"ValidationError","message":"bad metric"}`
			}
			out = append(out, `{"Id":"`+q.ID+`","Label":"a","StatusCode":"Complete","Timestamps":[60],"Values":[1]}`)
		}
		return 200, `{"MetricDataResults":[` + strings.Join(out, ",") + `]}`
	})
	env := newEnv()
	sources := make([]scaler.Source, 1201)
	for i := range sources {
		name := "good"
		if i == 700 {
			name = "bad"
		}
		sources[i] = open(t, "aws-cloudwatch", env, cloudwatchTrigger("awsEndpoint", at, "metricName", name), keys())
	}
	var counts []int64
	for range 3 {
		requests.Store(0)
		for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
			if i == 700 {
				refused(t, r.Err, scaler.ReasonMisconfigured, "bad metric")
			} else if r.Err != nil || r.Reading.Value != 1 {
				t.Fatalf("source %d: %+v", i, r)
			}
		}
		counts = append(counts, requests.Load())
	}
	if counts[0] > 25 || counts[1] != 4 || counts[2] != 4 {
		t.Errorf("the polls made %v requests; want few, then 3 and one for the bad query", counts)
	}
	if largest.Load() != maxQueries {
		t.Errorf("the largest request had %d queries", largest.Load())
	}
}

// TestCloudwatchRequests checks what can't share a request: other windows and
// several Metrics Insights queries.
func TestCloudwatchRequests(t *testing.T) {
	var requests atomic.Int64
	at := cloudwatchAnswering(t, func(_ int, _ string, qs []query) (int, string) {
		requests.Add(1)
		selects := 0
		for _, q := range qs {
			if strings.HasPrefix(q.Expression, "SELECT") {
				selects++
			}
		}
		if selects > 1 {
			return 400, `{"__type":"ValidationError","message":"two queries"}`
		}
		return 200, `{"MetricDataResults":[]}`
	})
	env := newEnv()
	now := time.Now()
	env.Now = func() time.Time { return now }
	sql := []string{"awsEndpoint", at, "expression", "SELECT SUM(x) FROM y", "namespace", "", "metricName", ""}
	var sources []scaler.Source
	for _, pairs := range [][]string{sql, sql, append([]string{"metricCollectionTime", "600"}, sql...)} {
		sources = append(sources, open(t, "aws-cloudwatch", env, cloudwatchTrigger(pairs...), keys()))
	}
	for i, r := range sources[0].(scaler.Batcher).MeasureAll(t.Context(), sources) {
		if r.Err != nil {
			t.Errorf("source %d: %v", i, r.Err)
		}
	}
	if n := requests.Load(); n != 3 {
		t.Errorf("%d requests", n)
	}
}

func TestCloudwatchWindow(t *testing.T) {
	now := time.Date(2026, 1, 2, 10, 7, 31, 0, time.UTC)
	at := func(h, m, s int) time.Time { return time.Date(2026, 1, 2, h, m, s, 0, time.UTC) }
	for name, tc := range map[string]struct {
		collection, period, offset int64
		want                       window
	}{
		"usual":           {300, 300, 0, window{at(10, 0, 0), at(10, 5, 0)}},
		"a minute":        {300, 60, 0, window{at(10, 2, 0), at(10, 7, 0)}},
		"late metrics":    {300, 60, 90, window{at(10, 1, 0), at(10, 6, 0)}},
		"high resolution": {30, 10, 0, window{at(10, 7, 0), at(10, 7, 30)}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &cloudwatchConfig{collection: tc.collection, period: tc.period, offset: tc.offset}
			if got := c.window(now); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestCloudwatchProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		pairs []string
		want  []string
	}{
		"right":              {nil, nil},
		"two dimensions":     {[]string{"dimensionName", "A; B", "dimensionValue", "1;2"}, nil},
		"no dimension":       {[]string{"dimensionName", "", "dimensionValue", ""}, nil},
		"uneven dimensions":  {[]string{"dimensionName", "A;B"}, []string{"error metadata.dimensionValue"}},
		"nothing to measure": {[]string{"namespace", "", "metricName", ""}, []string{"error metadata.namespace", "error metadata.metricName"}},
		"both":               {[]string{"expression", "m1"}, []string{"warning metadata.metricName", "warning metadata.namespace"}},
		"percentile":         {[]string{"metricStat", "p99.9"}, nil},
		"odd statistic":      {[]string{"metricStat", "average"}, []string{"error metadata.metricStat"}},
		"odd unit":           {[]string{"metricUnit", "Apples"}, []string{"error metadata.metricUnit"}},
		"odd period":         {[]string{"metricStatPeriod", "45"}, []string{"error metadata.metricStatPeriod"}},
		"short window":       {[]string{"metricCollectionTime", "30"}, []string{"error metadata.metricCollectionTime"}},
		"odd account":        {[]string{"awsAccountId", "me"}, []string{"error metadata.awsAccountId"}},
		"no minimum":         {[]string{"minMetricValue", ""}, []string{"error metadata.minMetricValue"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, problems(t, "aws-cloudwatch", cloudwatchTrigger(tc.pairs...), keys())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
