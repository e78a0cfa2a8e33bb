package gcp

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/internal/conn/conntest"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
)

// BenchmarkTriggers polls 100 triggers of one project, each on a subscription,
// a queue or a bucket of its own.
func BenchmarkTriggers(b *testing.B) {
	for kindName, metadata := range map[string]func(c *cloud, name string) map[string]string{
		"gcp-pubsub": func(c *cloud, name string) map[string]string {
			c.put("subscription/num_undelivered_messages", name, []point{{0, 3}})
			return map[string]string{"subscriptionName": name, "value": "5"}
		},
		"gcp-cloudtasks": func(c *cloud, name string) map[string]string {
			c.put(depth, name, []point{{0, 3}})
			return map[string]string{"projectID": conntest.GoogleProject, "queueName": name}
		},
		"gcp-storage": func(c *cloud, name string) map[string]string {
			c.fill(name, "", 3)
			return map[string]string{"bucketName": name}
		},
	} {
		b.Run(kindName, func(b *testing.B) {
			c, env := newCloud(b), newEnv()
			scalertest.BenchTriggers(b, c.URL, func(addr string, i int) scaler.Source {
				m := metadata(c, fmt.Sprint("bench-", i))
				return open(b, env, kindName, scalertest.With(m, "endpoint", "http://"+addr), c.auth())
			})
		})
	}
}
