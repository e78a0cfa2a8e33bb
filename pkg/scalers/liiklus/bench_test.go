package liiklus

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// BenchmarkTriggers polls 100 groups of one topic, and counts the calls that
// the gateway gets.
func BenchmarkTriggers(b *testing.B) {
	g, p := start(b), pool.New()
	g.set(map[uint32]uint64{0: 1}, map[uint32]uint64{0: 3})
	sources := make([]scaler.Source, 100)
	for i := range sources {
		sources[i] = open(b, p, trigger(g.address, "group", fmt.Sprint("group-", i)))
	}
	scalertest.Bench(b, sources, g.called)
}
