package kafka

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/kedago/keda/pkg/scaler/scalertest"
	kafkaserver "github.com/kedago/keda/test/servers/kafka"
)

// proxied is a listener that says the proxy's address is its own, so that the
// cluster lists the broker there.
type proxied struct {
	net.Listener
	addr net.Addr
}

func (p proxied) Addr() net.Addr { return p.addr }

// behindProxy starts one broker with SASL and ACLs, reached through a proxy.
func behindProxy(t *testing.T) (*kafkaserver.Client, *scalertest.Proxy) {
	t.Helper()
	var proxy *scalertest.Proxy
	listen := func(network, _ string) (net.Listener, error) {
		l, err := net.Listen(network, "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		proxy = scalertest.NewProxy(t, l.Addr().String())
		at, err := net.ResolveTCPAddr("tcp", proxy.Addr)
		return proxied{l, at}, err
	}
	kafkaserver.StartFake(t, kfake.NumBrokers(1), kfake.ListenFn(listen), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "secret"), kfake.User("PLAIN", kafkaserver.Limited, kafkaserver.LimitedPassword))
	admin := kafkaserver.NewClient(t, kgo.SeedBrokers(proxy.Addr), kgo.SASL(plain.Auth{User: "admin", Pass: "secret"}.AsMechanism()))
	return admin, proxy
}

func TestConformance(t *testing.T) {
	scalertest.Run(t, scalertest.Case{
		Kind:     Kinds()[0],
		Metadata: trigger("topic", "conformance", "lagThreshold", "100", "allowIdleConsumers", "true"),
		Auth:     map[string]string{"sasl": "plaintext", "username": kafkaserver.Limited, "password": kafkaserver.LimitedPassword},
		Fixture: func(t *testing.T) scalertest.Fixture {
			admin, proxy := behindProxy(t)
			allow := func(kind kmsg.ACLResourceType, operation kmsg.ACLOperation) {
				admin.Allow(t, kafkaserver.Limited, kind, "*", operation)
			}
			f := scalertest.Fixture{
				Metadata: map[string]string{"bootstrapServers": proxy.Addr},
				Proxy:    proxy, Busy: true, // the administrator connects through it too
				Values: []float64{0, 3, 1000, 1, 0},
				Deny:   func() { admin.Revoke(t, kafkaserver.Limited) },
				Allow: func() {
					allow(kmsg.ACLResourceTypeTopic, kmsg.ACLOperationRead)
					allow(kmsg.ACLResourceTypeGroup, kmsg.ACLOperationDescribe)
				},
				Bad: map[string]string{"topic": "missing"},
			}
			f.Allow()
			set := func(topic string) func(context.Context, float64) {
				admin.CreateTopic(t, topic, 1)
				admin.Commit(t, "group", topic, 0, 0)
				return func(_ context.Context, n float64) {
					admin.Commit(t, "group", topic, 0, admin.End(t, topic, 0))
					admin.Produce(t, topic, 0, int(n))
				}
			}
			f.Set = set("conformance")
			for i := range 3 {
				topic := fmt.Sprintf("sibling-%d", i)
				f.Siblings = append(f.Siblings, scalertest.Sibling{Metadata: map[string]string{"topic": topic}, Set: set(topic)})
			}
			return f
		},
	})
}
