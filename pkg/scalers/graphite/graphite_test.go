package graphite

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

func metadata(address string) map[string]string {
	return map[string]string{"serverAddress": address, "query": "sumSeries(queue.*.depth)", "queryTime": "-10Minutes", "threshold": "5"}
}

func TestConformance(t *testing.T) {
	server := scalertest.NewNumbers(t,
		func(r *http.Request) bool { _, password, _ := r.BasicAuth(); return password == "password-of-keda" },
		func(w http.ResponseWriter, _ *http.Request, n float64) {
			_, _ = fmt.Fprintf(w, `[{"target": "x", "datapoints": [[7, 1790000000], [%v, 1790000060], [null, 1790000120]]}]`, n)
		})
	trigger := metadata("http://graphite.example")
	trigger["authMode"] = "basic"
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: trigger, Auth: map[string]string{"username": "keda", "password": "password-of-keda"},
		Fixture: func(t *testing.T) scalertest.Fixture { return server.Fixture(t, "serverAddress", "/graphite") },
	})
	asked := server.Asked()
	if got, want := asked[0].URL.String(), "/graphite/render?format=json&from=-10Minutes&target=sumSeries%28queue.%2A.depth%29"; got != want {
		t.Errorf("asked %s; expected %s", got, want)
	}
}

func open(t testing.TB, address string) scaler.Source {
	t.Helper()
	return scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: metadata(address)}, scaler.Env{})
}

// TestAnswers: what is no single value is told apart, and never counts as 0
// where a series is there.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		value  float64
		reason scaler.Reason
		said   string
	}{
		"last":         {`[{"datapoints": [[1, 10], [2.5, 20]]}]`, 2.5, "", ""},
		"last of some": {`[{"datapoints": [[1, 10], [null, 20]]}]`, 1, "", ""},
		"no series":    {`[]`, 0, "", ""},
		"no points":    {`[{"datapoints": []}]`, 0, scaler.ReasonMissing, "no value within"},
		"only nulls":   {`[{"datapoints": [[null, 10]]}]`, 0, scaler.ReasonMissing, "no value within"},
		"two series":   {`[{"datapoints": [[1, 10]]}, {"datapoints": [[1, 10]]}]`, 0, scaler.ReasonMisconfigured, "2 series"},
		"no list":      {`{"datapoints": 1}`, 0, scaler.ReasonBadAnswer, "not the JSON expected"},
	} {
		t.Run(name, func(t *testing.T) {
			server := scalertest.Serve(t, http.StatusOK, c.answer)
			r, err := open(t, server.URL).Measure(context.Background())
			if c.reason != "" {
				scalertest.Refused(t, err, c.reason, c.said)
			} else if err != nil || r.Value != c.value {
				t.Errorf("measured %v, %v; expected %v", r.Value, err, c.value)
			}
		})
	}
}

// BenchmarkTriggers polls 100 triggers on one server.
func BenchmarkTriggers(b *testing.B) {
	s := scalertest.Serve(b, http.StatusOK, `[{"datapoints": [[3, 10]]}]`)
	scalertest.BenchTriggers(b, s.URL, func(addr string, _ int) scaler.Source {
		return open(b, "http://"+addr)
	})
}
