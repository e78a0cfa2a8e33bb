package prometheus

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	promserver "github.com/kedago/keda/test/servers/prometheus"
)

// BenchmarkTriggers polls 100 triggers with different queries on one server;
// equal queries would be asked once.
func BenchmarkTriggers(b *testing.B) {
	s := promserver.Start(b)
	scalertest.BenchTriggers(b, s.URL, func(addr string, i int) scaler.Source {
		return open(b, trigger("http://"+addr, fmt.Sprint("vector(", i, ")")), nil)
	})
}
