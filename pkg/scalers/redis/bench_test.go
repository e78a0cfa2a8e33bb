package redis

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	redisserver "github.com/kedago/keda/test/servers/redis"
)

// BenchmarkTriggers polls 100 lists of one server.
func BenchmarkTriggers(b *testing.B) {
	count, env := scalertest.NewCounter(b, redisserver.Start(b).Addr), newEnv()
	sources := make([]scaler.Source, 100)
	for i := range sources {
		sources[i] = open(b, env, "redis", map[string]string{"address": count.Addr, "listName": fmt.Sprint("bench-", i)}, nil)
	}
	count.Bench(b, sources)
}
