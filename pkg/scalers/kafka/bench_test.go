package kafka

import (
	"testing"

	"github.com/kedago/keda/pkg/scaler"
)

// BenchmarkTriggers polls 100 groups on 50 topics of three brokers; see
// TestCost for what the requests are.
func BenchmarkTriggers(b *testing.B) {
	f, sources, _ := fleet(b, 100)
	poll := func() {
		for _, r := range sources[0].(scaler.Batcher).MeasureAll(b.Context(), sources) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}
	poll() // connections are open, brokers known
	f.Requests()
	polls := 0
	for b.Loop() {
		poll()
		polls++
	}
	all := 0
	for _, n := range f.Requests() {
		all += n
	}
	b.ReportMetric(float64(all)/float64(polls), "requests/poll")
}
