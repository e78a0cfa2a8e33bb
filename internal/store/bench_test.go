package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/kedago/keda/internal/model"
)

// filled is a store of n workloads with one trigger each.
func filled(n int) (*Store, []model.TriggerKey) {
	s := New()
	keys := make([]model.TriggerKey, n)
	for i := range n {
		name := fmt.Sprintf("worker-%04d", i)
		key := model.Key{Group: model.GroupToday, Kind: model.KindScaledObject, Namespace: "shop", Name: name}
		s.SetEntry(Entry{
			Key: key, SelectorKey: "scaledobject.keda.sh/name", SelectorValue: name, Interval: 30 * time.Second,
			Metrics: []model.Metric{{External: "s0-redis-" + name, Target: 5}},
		})
		keys[i] = model.TriggerKey{Workload: key}
	}
	return s, keys
}

func BenchmarkFind(b *testing.B) {
	s, _ := filled(10_000)
	b.ReportAllocs()
	for b.Loop() {
		if len(s.Find("shop", "s0-redis-worker-4711")) != 1 {
			b.Fatal("not found")
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	s, keys := filled(10_000)
	s.OnChange(func(model.Key) {})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Update(keys[i%len(keys)], func(sm *model.Sample) { sm.Value++ })
	}
}

func BenchmarkGetWhileUpdating(b *testing.B) {
	s, keys := filled(10_000)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			k := keys[i%len(keys)]
			if i%4 == 0 {
				s.Update(k, func(sm *model.Sample) { sm.Value++ })
			}
			s.Get(k.Workload)
		}
	})
}
