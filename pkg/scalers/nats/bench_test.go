package nats

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// BenchmarkTriggers polls 100 consumers, each of its own stream, on one server.
func BenchmarkTriggers(b *testing.B) {
	j := start(b, nil)
	j.connect(b)
	count, p := scalertest.NewCounter(b, j.monitor), pool.New()
	sources := make([]scaler.Source, 100)
	for i := range sources {
		name := fmt.Sprint("bench-", i)
		j.stream(b, name, 1)
		sources[i] = open(b, p, trigger(count.Addr, name))
	}
	count.Bench(b, sources)
}
