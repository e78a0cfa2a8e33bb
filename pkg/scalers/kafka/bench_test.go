package kafka

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/kedago/keda/pkg/scaler"
)

// BenchmarkTriggers polls 100 groups on 50 topics of one broker and of three;
// see TestCost for what the requests are.
func BenchmarkTriggers(b *testing.B) {
	for _, brokers := range []int{1, 3} {
		b.Run(fmt.Sprintf("brokers=%d", brokers), func(b *testing.B) {
			f, sources, _ := fleet(b, 100, kfake.NumBrokers(brokers))
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
		})
	}
}
