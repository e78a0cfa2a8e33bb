package solarwinds

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

const token = "token-of-keda"

func metadata(address string) map[string]string {
	return map[string]string{
		"host": address, "metricName": "shop.orders waiting", "aggregation": "avg", "intervalS": "90",
		"filter": "shop:[a,b] size>3", "targetValue": "5",
	}
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer "+token },
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			_, _ = fmt.Fprintf(w, `{"groupings":[{"attributes":[],"measurements":[{"time":"2026-09-21T14:15:00Z","value":%v}]}],"bucketSizeInSeconds":0,"pageInfo":{}}`, n)
		})
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("https://api.example"), Auth: map[string]string{"apiToken": token},
		ScalerEnv: func(e *scaler.Env) { e.Now = func() time.Time { return time.Unix(1_790_000_090, 500) } },
		Fixture:   func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "host", "/") },
	})
	asked := server.Asked()[0]
	want := "/v1/metrics/shop.orders%20waiting/measurements?aggregateBy=AVG&endTime=2026-09-21T14%3A14%3A50Z&filter=shop%3A%5Ba%2Cb%5D+size%3E3&seriesType=SCALAR&startTime=2026-09-21T14%3A13%3A20Z"
	if got := asked.URL.String(); got != want || asked.Method != http.MethodGet {
		t.Errorf("asked %s %s; expected GET %s", asked.Method, got, want)
	}
}

func open(t testing.TB, address string, more map[string]string) scaler.Source {
	t.Helper()
	m := metadata(address)
	maps.Copy(m, more)
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: m, Auth: map[string]string{"apiToken": token}}, scaler.Env{})
}

// TestParameters: the span and the aggregation are checked, and a name can't
// lead to another path.
func TestParameters(t *testing.T) {
	for name, c := range map[string]struct {
		more map[string]string
		path string
	}{
		"no token":    {nil, "authenticationRef.apiToken"},
		"aggregation": {map[string]string{"aggregation": "MEDIAN"}, "metadata.aggregation"},
		"no span":     {map[string]string{"intervalS": "0"}, "metadata.intervalS"},
		"parent":      {map[string]string{"metricName": ".."}, "metadata.metricName"},
		"host":        {map[string]string{"host": "api.na-01.cloud.solarwinds.com"}, "metadata.host"},
	} {
		t.Run(name, func(t *testing.T) {
			m := metadata("https://api.example")
			maps.Copy(m, c.more)
			auth := map[string]string{"apiToken": token}
			if c.more == nil {
				auth = nil
			}
			ps := scaler.Decode(Kinds()[0].New(), param.Values{Metadata: m, Auth: auth})
			if len(ps) != 1 || ps[0].Path != c.path || (ps[0].Severity == param.Warning) != (c.more == nil) {
				t.Errorf("got %v; expected one problem of %s", ps, c.path)
			}
		})
	}
}

// TestAnswers: no measurement is a failure and never 0.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		answer string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"one":             {answer: `{"groupings":[{"measurements":[{"value":2.5}]}]}`, value: 2.5},
		"zero":            {answer: `{"groupings":[{"measurements":[{"value":0}]}]}`},
		"second group":    {answer: `{"groupings":[{"measurements":[]},{"measurements":[{"value":7}]}]}`, value: 7},
		"several":         {answer: `{"groupings":[{"measurements":[{"value":3},{"value":4}]}]}`, value: 3},
		"no groupings":    {answer: `{"groupings":[]}`, reason: scaler.ReasonMissing, said: "no value within"},
		"no measurements": {answer: `{"groupings":[{"measurements":[]}]}`, reason: scaler.ReasonMissing, said: "no value within"},
		"null":            {answer: `{"groupings":[{"measurements":[{"value":null}]}]}`, reason: scaler.ReasonBadAnswer, said: "has no value"},
		"nothing":         {answer: `{}`, reason: scaler.ReasonBadAnswer, said: "no groupings"},
		"wrong type":      {answer: `{"groupings":[{"measurements":[{"value":"s3cret"}]}]}`, reason: scaler.ReasonBadAnswer, said: "not the JSON expected"},
		"no such metric":  {status: 404, answer: `s3cret`, reason: scaler.ReasonMissing, said: "expected a metric that exists"},
		"denied":          {status: 403, answer: `s3cret`, reason: scaler.ReasonDenied, said: "403"},
		"too often":       {status: 429, answer: `s3cret`, reason: scaler.ReasonUnreachable, said: "429"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, c.status, c.answer)
			r, err := open(t, server.URL, nil).Measure(context.Background())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said, "s3cret")
			} else if err != nil || r.Value != c.value || r.Empty {
				t.Errorf("measured %+v, %v; expected %v", r, err, c.value)
			}
		})
	}
}

// BenchmarkTriggers polls 100 triggers with one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, `{"groupings":[{"measurements":[{"value":3}]}]}`)
	scalertest.BenchTriggers(b, s.URL, func(addr string, i int) scaler.Source {
		return open(b, "http://"+addr, map[string]string{"metricName": fmt.Sprint("shop.orders.", i)})
	})
}
