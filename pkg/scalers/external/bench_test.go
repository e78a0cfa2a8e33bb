package external

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// BenchmarkTriggers polls 100 triggers of one external scaler, those of
// external-push while they listen, and counts the calls that it gets.
func BenchmarkTriggers(b *testing.B) {
	const triggers = 100
	for _, kind := range []string{"external", "external-push"} {
		b.Run(kind, func(b *testing.B) {
			var calls atomic.Int64
			s, p := start(b, counted(&calls)...), pool.New()
			s.set(b.Context(), 3)
			sources := make([]scaler.Source, triggers)
			for i := range sources {
				sources[i] = open(b, kind, param.Values{Metadata: at(s.address, "queue", fmt.Sprint("bench-", i))}, func(e *scaler.Env) { e.Pool = p })
				if w, ok := sources[i].(scaler.Watcher); ok {
					b.Cleanup(w.Watch(func(scaler.Signal) {}))
				}
			}
			if kind == "external-push" {
				until(b, "all streams are open", func() bool { return s.listeners() == triggers })
			}
			scalertest.Bench(b, sources, calls.Load)
		})
	}
}
