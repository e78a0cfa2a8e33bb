package graphite

import (
	"context"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	graphiteserver "github.com/kedago/keda/test/servers/graphite"
)

// TestConformanceWithServer is TestConformance with a server of its own kind,
// which asks for no credentials.
func TestConformanceWithServer(t *testing.T) {
	server := graphiteserver.Start(t)
	server.Set(t, "queue.returns.depth", 0)
	scalertest.Run(t, scalertest.Case{
		Kind: Kinds()[0], Metadata: metadata("http://graphite.example"),
		Fixture: func(t *testing.T) scalertest.Fixture {
			proxy := scalertest.NewProxy(t, server.Addr)
			return scalertest.Fixture{
				Metadata: map[string]string{"serverAddress": "http://" + proxy.Addr}, Proxy: proxy,
				Set: func(_ context.Context, n float64) { server.Set(t, "queue.orders.depth", n) },
			}
		},
	})
}

// TestAnswersOfServer is TestAnswers with a server of its own kind.
func TestAnswersOfServer(t *testing.T) {
	server := graphiteserver.Start(t)
	server.Set(t, "queue.orders.depth", 2.5)
	server.Set(t, "queue.returns.depth", 4)
	for query, c := range map[string]struct {
		value  float64
		empty  bool
		reason scaler.Reason
	}{
		"queue.orders.depth":                                {value: 2.5},
		"scale(queue.orders.depth, 2)":                      {value: 5},
		"sumSeries(queue.none.*)":                           {empty: true},
		"queue.*.depth":                                     {reason: scaler.ReasonMisconfigured},
		"removeAboveValue(queue.orders.depth, 1)":           {empty: true, reason: scaler.ReasonMissing},
		"timeShift(queue.orders.depth, '1h')":               {empty: true, reason: scaler.ReasonMissing},
		"maxSeries(queue.orders.depth, queue.none.depth)":   {value: 2.5},
		"lastValue(queue.orders.depth); no such expression": {reason: scaler.ReasonMisconfigured},
	} {
		t.Run(query, func(t *testing.T) {
			trigger := metadata("http://" + server.Addr)
			trigger["query"] = query
			s := scalertest.Open(t, Kinds()[0].New(), param.Values{Metadata: trigger}, scaler.Env{})
			r, err := s.Measure(t.Context())
			if (err != nil) != (c.reason != "") || err != nil && scaler.ReasonOf(err) != c.reason || r.Value != c.value || r.Empty != c.empty {
				t.Errorf("measured %+v, %v; expected %+v", r, err, c)
			}
		})
	}
}
