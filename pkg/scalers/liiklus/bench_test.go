package liiklus

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// BenchmarkTriggers polls 100 groups of one gateway.
func BenchmarkTriggers(b *testing.B) {
	g := start(b)
	g.set(map[uint32]uint64{0: 1}, map[uint32]uint64{0: 3})
	count, p := scalertest.NewCounter(b, g.address), pool.New()
	sources := make([]scaler.Source, 100)
	for i := range sources {
		c := Kinds()[0].New()
		if err := scaler.Decode(c, param.Values{Metadata: trigger(count.Addr, "group", fmt.Sprint("group-", i))}).Err(); err != nil {
			b.Fatal(err)
		}
		s, err := c.Open(b.Context(), scaler.Env{Pool: p})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close() })
		sources[i] = s
	}
	count.Bench(b, sources)
}
