package prometheus

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	promserver "github.com/kedago/keda/test/servers/prometheus"
)

// BenchmarkTriggers polls 100 triggers with different queries on one server;
// equal queries would be asked once.
func BenchmarkTriggers(b *testing.B) {
	s := promserver.Start(b)
	count := scalertest.NewCounter(b, strings.TrimPrefix(s.URL, "http://"))
	sources := make([]scaler.Source, 100)
	for i := range sources {
		sources[i] = open(b, trigger("http://"+count.Addr, fmt.Sprint("vector(", i, ")")), nil)
	}
	count.Bench(b, sources)
}
