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
			p := pool.New()
			scalertest.BenchTriggers(b, s.Address, func(addr string, i int) scaler.Source {
				topic := fmt.Sprintf("bench/%s/%d", version, i)
				s.Publish(b, topic, "3", true)
				return open(b, p, map[string]string{"host": "mqtt://" + addr, "protocolVersion": version, "value": "5", "topic": topic}, login1)
			})
		})
	}
}
