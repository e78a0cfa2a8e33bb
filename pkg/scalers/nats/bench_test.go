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
	p := pool.New()
	scalertest.BenchTriggers(b, j.monitor, func(addr string, i int) scaler.Source {
		name := fmt.Sprint("bench-", i)
		j.stream(b, name, 1)
		return open(b, p, trigger(addr, name))
	})
}
