package azure

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	azuriteserver "github.com/kedago/keda/test/servers/azurite"
)

// BenchmarkTriggers polls 100 storage queues of one account. Service Bus lists
// many queues at once, see TestServicebusBatch.
func BenchmarkTriggers(b *testing.B) {
	s := azuriteserver.Start(b)
	count, env := scalertest.NewCounter(b, s.Queue), newEnv()
	sources := make([]scaler.Source, 100)
	for i := range sources {
		q := newQueue(b, s, fmt.Sprint("bench-", i))
		sources[i] = open(b, "azure-queue", env, queueTrigger("queueName", q.name), connected(count.Addr))
	}
	count.Bench(b, sources)
}
