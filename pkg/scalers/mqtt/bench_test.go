package mqtt

import (
	"fmt"
	"testing"

	"github.com/kedago/keda/internal/pool"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	mosquittoserver "github.com/kedago/keda/test/servers/mosquitto"
)

// BenchmarkTriggers polls 100 topics of one broker, in both versions of MQTT.
func BenchmarkTriggers(b *testing.B) {
	s := mosquittoserver.Start(b, nil)
	s.SetPassword(b, user, password)
	for _, version := range []string{"3.1.1", "5"} {
		b.Run(version, func(b *testing.B) {
			count, p := scalertest.NewCounter(b, s.Address), pool.New()
			sources := make([]scaler.Source, 100)
			for i := range sources {
				topic := fmt.Sprintf("bench/%s/%d", version, i)
				s.Publish(b, topic, "3", true)
				sources[i] = open(b, p, map[string]string{"host": "mqtt://" + count.Addr, "protocolVersion": version, "value": "5", "topic": topic}, login1)
			}
			count.Bench(b, sources)
		})
	}
}
