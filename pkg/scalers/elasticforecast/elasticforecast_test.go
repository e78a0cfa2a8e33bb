package elasticforecast

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
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

func metadata(addresses string, more ...string) map[string]string {
	return scalertest.Given(map[string]string{"addresses": addresses, "jobID": "orders", "targetValue": "5", "username": "keda"}, more...)
}

func hit(forecast string, at int, value string) string {
	return fmt.Sprintf(`{"_source": {"forecast_id": %q, "timestamp": %d, "forecast_prediction": %s}}`, forecast, at, value)
}

func hits(of ...string) string { return `{"hits": {"hits": [` + strings.Join(of, ",") + `]}}` }

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { _, password, _ := r.BasicAuth(); return password == "password-of-keda" },
		func(w http.ResponseWriter, r *http.Request, n float64) {
			if strings.HasSuffix(r.URL.Path, "/_forecast") {
				_, _ = io.WriteString(w, `{"acknowledged": true, "forecast_id": "a"}`)
				return
			}
			_, _ = io.WriteString(w, hits(hit("a", 2, fmt.Sprint(n)), hit("a", 1, "9")))
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("http://search.example"), Auth: map[string]string{"password": "password-of-keda"},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "addresses", "/below") },
	})
	asked := server.Asked()
	if got, want := asked[0].Method+" "+asked[0].URL.String(), "POST /below/_ml/anomaly_detectors/orders/_forecast"; got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
}

// elastic is a server whose answers the test sets. The clock is the test's.
type elastic struct {
	*httptest.Server
	now  time.Time
	pool scalertest.Pool

	mu       sync.Mutex // guards what follows
	status   int        // of the next forecast, 200 when 0
	forecast string     // its answer
	search   string
	asked    []string
}

func newElastic(t testing.TB) *elastic {
	t.Helper()
	e := &elastic{now: time.UnixMilli(1_790_000_000_000), search: hits()}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.asked = append(e.asked, fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), body))
		answer := e.search
		if strings.HasSuffix(r.URL.Path, "/_forecast") {
			if answer = e.forecast; e.status != 0 {
				w.WriteHeader(e.status)
			}
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(e.Close)
	return e
}

// answer sets what is answered, and forgets what was asked.
func (e *elastic) answer(status int, forecast, search string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status, e.forecast, e.search, e.asked = status, forecast, search, nil
}

// forecasts counts the forecasts that were asked for.
func (e *elastic) forecasts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, a := range e.asked {
		n += strings.Count(a, "/_forecast ")
	}
	return n
}

func (e *elastic) open(t testing.TB, address string, more ...string) scaler.Source {
	t.Helper()
	v := param.Values{Metadata: metadata(address, more...), Auth: map[string]string{"password": "password-of-keda"}}
	return scalertest.Open(t, Kinds()[0].New(), v, scaler.Env{Pool: &e.pool, Now: func() time.Time { return e.now }})
}

func made(id string) string { return fmt.Sprintf(`{"acknowledged": true, "forecast_id": %q}`, id) }

// TestRequests: a forecast is twice as long as lookAhead, and the search is for
// its buckets of the series until the moment.
func TestRequests(t *testing.T) {
	e := newElastic(t)
	e.answer(0, made("a"), hits(hit("a", 1, "7.5")))
	s := e.open(t, e.URL, "lookAhead", "90s", "index", "shared", "partitionFieldValue", "checkout", "byFieldValue", "POST")
	if r, err := s.Measure(t.Context()); err != nil || r.Value != 7.5 || r.Note != "" {
		t.Fatalf("measured %+v, %v", r, err)
	}
	if diff := cmp.Diff([]string{
		`POST /_ml/anomaly_detectors/orders/_forecast application/json {"duration":"180s","expires_in":"180s"}`,
		`POST /.ml-anomalies-shared/_search application/json {"_source":["forecast_prediction","forecast_id","timestamp"],"query":{"bool":{"filter":[` +
			`{"term":{"job_id":"orders"}},{"terms":{"forecast_id":["a"]}},{"term":{"result_type":"model_forecast"}},` +
			`{"range":{"timestamp":{"gt":1789999910000,"lte":1790000090000}}},` +
			`{"term":{"partition_field_value":"checkout"}},{"term":{"by_field_value":"POST"}}]}},"size":10,"sort":[{"timestamp":{"order":"desc"}}]}`,
	}, e.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// TestRenewal: a forecast is made anew when it is half over, the last one counts
// until the new one is there, and while no new one can be made.
func TestRenewal(t *testing.T) {
	e := newElastic(t)
	first := e.open(t, e.URL)
	second := e.open(t, e.URL, "partitionFieldValue", "checkout")
	step := func(after time.Duration, s scaler.Source, status int, id, search string, forecasts int, want float64, note string) {
		t.Helper()
		e.now = e.now.Add(after)
		e.answer(status, made(id), search)
		r, err := s.Measure(t.Context())
		if err != nil || r.Value != want || !strings.Contains(r.Note, note) || (note == "") != (r.Note == "") {
			t.Errorf("measured %+v, %v; expected %v with %q", r, err, want, note)
		}
		if got := e.forecasts(); got != forecasts {
			t.Errorf("%d forecasts were asked for; expected %d", got, forecasts)
		}
	}
	step(0, first, 0, "a", hits(hit("a", 1, "1")), 1, 1, "")
	step(0, second, 0, "b", hits(hit("a", 1, "2")), 0, 2, "") // the job's forecasts are shared
	step(9*time.Minute, first, 0, "b", hits(hit("a", 1, "3")), 0, 3, "")
	step(2*time.Minute, first, 0, "b", hits(hit("a", 1, "4")), 1, 4, "") // b is not there yet
	step(time.Minute, first, 0, "c", hits(hit("a", 2, "5"), hit("b", 2, "6")), 0, 6, "")
	step(11*time.Minute, first, 503, "", hits(hit("b", 2, "7")), 1, 7, "the last forecast still counts")
	step(time.Minute, second, 0, "c", hits(hit("c", 2, "8")), 1, 8, "")
	step(time.Hour, second, 0, "d", hits(hit("d", 2, "9")), 1, 9, "")

	e.now = e.now.Add(time.Hour)
	e.answer(503, "", hits(hit("d", 2, "9")))
	if _, err := first.Measure(t.Context()); scaler.ReasonOf(err) != scaler.ReasonUnreachable {
		t.Errorf("got %v with a forecast that is over; expected %s", err, scaler.ReasonUnreachable)
	}
}

// TestForecastRefused: why there is none is told apart.
func TestForecastRefused(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		reason scaler.Reason
		said   string
	}{
		"not open":  {409, `hunter2`, scaler.ReasonMisconfigured, "not open"},
		"too short": {400, `hunter2`, scaler.ReasonMisconfigured, "bucket span"},
		"no job":    {404, `hunter2`, scaler.ReasonMissing, `"orders"`},
		"forbidden": {403, `hunter2`, scaler.ReasonDenied, "403"},
		"no ID":     {200, `{"acknowledged": true}`, scaler.ReasonBadAnswer, "forecast_id"},
		"no JSON":   {200, `hunter2`, scaler.ReasonBadAnswer, "not the JSON expected"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newElastic(t)
			e.answer(c.status, c.answer, "")
			_, err := e.open(t, e.URL).Measure(t.Context())
			scalertest.Refused(t, err, c.reason, c.said, "hunter2")
		})
	}
}

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"newest":         {hits(hit("a", 2, "2.5"), hit("a", 1, "9")), 2.5, "", ""},
		"zero":           {hits(hit("a", 2, "0")), 0, "", ""},
		"not yet":        {hits(), 0, scaler.ReasonMissing, "yet"},
		"another's":      {hits(hit("z", 2, "1")), 0, scaler.ReasonMissing, "yet"},
		"several series": {hits(hit("a", 2, "1"), hit("a", 2, "1")), 0, scaler.ReasonMisconfigured, "several series"},
		"null":           {hits(hit("a", 2, "null")), 0, scaler.ReasonBadAnswer, "no forecast_prediction"},
		"text":           {hits(hit("a", 2, `"hunter2"`)), 0, scaler.ReasonBadAnswer, "not the JSON expected"},
		"no JSON":        {`hunter2`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newElastic(t)
			e.answer(0, made("a"), c.answer)
			r, err := e.open(t, e.URL).Measure(t.Context())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said, "hunter2")
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.value)
			}
		})
	}
}

// TestOneForecastAtATime: who waits for another's forecast stops with its context.
func TestOneForecastAtATime(t *testing.T) {
	e := newElastic(t)
	e.answer(0, made("a"), hits(hit("a", 1, "3")))
	s := e.open(t, e.URL).(*source)
	<-s.forecasts.turn
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Measure(ctx); scaler.ReasonOf(err) != scaler.ReasonUnreachable || !strings.Contains(err.Error(), "waiting") {
		t.Errorf("got %v", err)
	}
	s.forecasts.turn <- struct{}{}
	if r, err := s.Measure(t.Context()); err != nil || r.Value != 3 {
		t.Errorf("measured %v, %v; expected 3", r, err)
	}
}

// TestChecks: parameters that contradict each other are found before a forecast.
func TestChecks(t *testing.T) {
	cloud := "shop:" + base64.StdEncoding.EncodeToString([]byte("example.com$0123"))
	for name, c := range map[string]struct {
		metadata []string
		auth     map[string]string
		said     string
	}{
		"addresses":               {nil, map[string]string{"password": "a"}, ""},
		"cloud":                   {[]string{"addresses", "", "username", ""}, map[string]string{"cloudID": cloud, "apiKey": "a"}, ""},
		"nowhere":                 {[]string{"addresses", ""}, nil, "addresses: is missing"},
		"both":                    {nil, map[string]string{"cloudID": cloud, "apiKey": "a"}, "beside addresses"},
		"cloud without a key":     {[]string{"addresses", ""}, map[string]string{"cloudID": cloud}, "apiKey: is missing"},
		"no Cloud ID":             {[]string{"addresses", "", "username", ""}, map[string]string{"cloudID": "shop", "apiKey": "a"}, "no Cloud ID"},
		"addresses with a key":    {nil, map[string]string{"apiKey": "a", "password": "b"}, "expected username and password"},
		"no user":                 {[]string{"username", ""}, map[string]string{"password": "a"}, "username: is missing"},
		"no password":             {nil, nil, "password: is missing"},
		"bad address":             {[]string{"addresses", "elasticsearch:9200"}, map[string]string{"password": "a"}, "http or https"},
		"several indices":         {[]string{"index", "shared,other"}, map[string]string{"password": "a"}, "one name each"},
		"a path instead of a job": {[]string{"jobID", "../x"}, map[string]string{"password": "a"}, "one name each"},
	} {
		t.Run(name, func(t *testing.T) {
			config := Kinds()[0].New()
			found := scaler.Decode(config, param.Values{Metadata: metadata("http://a", c.metadata...), Auth: c.auth})
			if (c.said == "") != (len(found) == 0) || !strings.Contains(fmt.Sprint(found), c.said) || len(found) > 1 {
				t.Errorf("got %v; expected one with %q", found, c.said)
			}
			if c.said == "" && config.Metric() != "elastic-forecast-orders" {
				t.Errorf("the metric is %s", config.Metric())
			}
		})
	}
}

// TestCloudKey: on Elastic Cloud an API key says who asks.
func TestCloudKey(t *testing.T) {
	config := Kinds()[0].New()
	cloud := "shop:" + base64.StdEncoding.EncodeToString([]byte("example.com$0123"))
	v := param.Values{Metadata: metadata("", "username", ""), Auth: map[string]string{"cloudID": cloud, "apiKey": "the-key"}}
	if err := scaler.Decode(config, v).Err(); err != nil {
		t.Fatal(err)
	}
	opened, err := config.Open(t.Context(), scaler.Env{Pool: &scalertest.Pool{}})
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*source)
	if got := s.header.Get("Authorization"); got != "ApiKey the-key" || s.Host() != "0123.example.com" {
		t.Errorf("%s is asked with %q", s.Host(), got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// BenchmarkTriggers polls 100 triggers on one job.
func BenchmarkTriggers(b *testing.B) {
	e := newElastic(b)
	e.answer(0, made("a"), hits(hit("a", 1, "3")))
	scalertest.BenchTriggers(b, e.URL, func(addr string, _ int) scaler.Source {
		return e.open(b, "http://"+addr)
	})
}
