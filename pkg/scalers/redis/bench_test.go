package redis

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	redisserver "github.com/kedago/keda/test/servers/redis"
)

// BenchmarkTriggers polls 100 lists or streams of one server, in each way that
// there is to count them, and some of each way together.
func BenchmarkTriggers(b *testing.B) {
	s := redisserver.Start(b)
	stream := func(key string) map[string]string { return map[string]string{"stream": key} }
	group := func(key, count string) map[string]string {
		return over(stream(key), map[string]string{"consumerGroup": "workers", count: "5"})
	}
	ways := []struct {
		kind, by, make string
		metadata       func(key string) map[string]string
	}{
		{"redis", "length", "RPUSH KEY a", func(key string) map[string]string { return map[string]string{"listName": key} }},
		{"redis-streams", "length", "XADD KEY * name value", stream},
		{"redis-streams", "pending entries", "XGROUP CREATE KEY workers 0 MKSTREAM", func(key string) map[string]string { return group(key, "pendingEntriesCount") }},
		{"redis-streams", "lag", "XGROUP CREATE KEY workers 0 MKSTREAM", func(key string) map[string]string { return group(key, "lagCount") }},
	}
	run := func(name string, way func(i int) int) {
		b.Run(name, func(b *testing.B) {
			env := newEnv()
			scalertest.BenchTriggers(b, s.Addr, func(addr string, i int) scaler.Source {
				w, key := ways[way(i)], fmt.Sprintf("%s %d", name, i)
				var command []any
				for _, word := range strings.Fields(w.make) {
					if word == "KEY" {
						word = key
					}
					command = append(command, word)
				}
				s.Do(b, command...)
				return open(b, env, w.kind, over(w.metadata(key), map[string]string{"address": addr}), nil)
			})
		})
	}
	for i, w := range ways {
		run(w.kind+" by "+w.by, func(int) int { return i })
	}
	run("all together", func(i int) int { return i % len(ways) })
}
