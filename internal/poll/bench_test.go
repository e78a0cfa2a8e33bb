package poll

import (
	"fmt"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kedago/keda/internal/model"
	"github.com/kedago/keda/internal/store"
)

// BenchmarkTick is one round trip for 1,000 triggers that share it, from the
// moment they are due until all samples are in the store.
func BenchmarkTick(b *testing.B) {
	const n, interval = 1000, 30 * time.Second
	clk := clocktesting.NewFakeClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
	s := store.New()
	p := New(Options{Store: s, Clock: clk})
	srv := newServer()
	for i := range n {
		name := fmt.Sprintf("list-%04d", i)
		key := model.Key{Group: model.GroupToday, Kind: model.KindScaledObject, Namespace: "shop", Name: name}
		s.SetEntry(store.Entry{Key: key, Interval: interval, Metrics: []model.Metric{{External: "s0-" + name, Target: 5}}})
		p.Set(b.Context(), key, []Trigger{{Identity: name, Kind: "list", Config: config{server: srv, name: name, batch: true}, Interval: interval}})
	}
	clk.Step(gatherDelay)
	trips, _, _ := srv.counts("")
	b.ReportAllocs()
	for b.Loop() {
		p.startDue(b.Context())
		p.running.Wait()
		clk.Step(interval)
		trips++
	}
	if got, _, _ := srv.counts(""); got != trips {
		b.Fatalf("found %d round trips, expected %d", got, trips)
	}
}
