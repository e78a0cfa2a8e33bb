package external

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// BenchmarkTriggers polls 100 triggers of one external scaler.
func BenchmarkTriggers(b *testing.B) {
	s := start(b)
	s.set(b.Context(), 3)
	count, p := scalertest.NewCounter(b, s.address), pool.New()
	sources := make([]scaler.Source, 100)
	for i := range sources {
		sources[i] = open(b, "external", param.Values{Metadata: at(count.Addr, "queue", fmt.Sprint("bench-", i))}, func(e *scaler.Env) { e.Pool = p })
	}
	count.Bench(b, sources)
}
