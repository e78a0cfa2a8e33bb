package rabbitmq

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	rabbitmqserver "github.com/kedago/keda/test/servers/rabbitmq"
)

// BenchmarkTriggers polls 100 triggers on queues of one virtual host.
func BenchmarkTriggers(b *testing.B) {
	s := rabbitmqserver.Start(b, nil)
	allow(b, s, password)
	sources := make([]scaler.Source, 100)
	for i := range sources {
		s.Declare(b, fmt.Sprint("bench.", i))
	}
	s.Set(b, "bench.99", 1) // later than all others
	for scheme, address := range map[string]string{"amqp": s.AMQP, "http": s.HTTP} {
		b.Run(scheme, func(b *testing.B) {
			count, p := scalertest.NewCounter(b, address), pool.New()
			for i := range sources {
				sources[i] = open(b, p, map[string]string{"host": scheme + "://" + count.Addr, "queueName": fmt.Sprint("bench.", i)}, login)
			}
			count.Bench(b, sources)
		})
	}
}
