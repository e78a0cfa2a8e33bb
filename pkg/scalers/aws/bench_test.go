package aws

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	motoserver "github.com/kedago/keda/test/servers/moto"
)

// BenchmarkTriggers polls 100 triggers on one account, each of its own thing.
// Those of CloudWatch have BenchmarkTriggersCloudwatch.
func BenchmarkTriggers(b *testing.B) {
	const n = 100
	for name, setUp := range map[string]func(*motoserver.Server, int) map[string]string{
		"aws-sqs-queue": func(s *motoserver.Server, i int) map[string]string {
			q := newQueue(b, s, fmt.Sprint("bench-", i))
			return sqsTrigger("queueURL", q.name)
		},
		"aws-kinesis-stream": func(s *motoserver.Server, i int) map[string]string {
			name := fmt.Sprint("bench-", i)
			shards(b, s, name)(b.Context(), 1)
			return kinesisTrigger("streamName", name)
		},
		"aws-dynamodb": func(s *motoserver.Server, i int) map[string]string {
			return dynamodbTrigger("tableName", newTable(b, s, fmt.Sprint("bench-", i), false).name)
		},
		"aws-dynamodb-streams": func(s *motoserver.Server, i int) map[string]string {
			return streamsTrigger("tableName", newTable(b, s, fmt.Sprint("bench-", i), true).name)
		},
	} {
		b.Run(name, func(b *testing.B) {
			s := motoserver.Start(b)
			count, env := scalertest.NewCounter(b, s.Addr), newEnv()
			sources := make([]scaler.Source, n)
			for i := range sources {
				sources[i] = open(b, name, env, scalertest.With(setUp(s, i), "awsEndpoint", "http://"+count.Addr), keys())
			}
			count.Bench(b, sources)
		})
	}
}
