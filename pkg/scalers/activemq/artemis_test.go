package activemq

import (
	"context"
	"maps"
	"testing"

	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	activemqserver "github.com/kedago/keda/test/servers/activemq"
)

// TestArtemis is with a real broker and its console.
func TestArtemis(t *testing.T) {
	s := activemqserver.StartArtemis(t)
	trigger := func(address, queue string, more ...string) map[string]string {
		return scalertest.With(map[string]string{"managementEndpoint": s.Addr, "brokerName": activemqserver.Broker, "brokerAddress": address, "queueName": queue}, more...)
	}
	t.Run("conformance", func(t *testing.T) {
		set := func(t *testing.T, queue string) func(context.Context, float64) {
			return func(_ context.Context, n float64) { s.Fill(t, queue, queue, "ANYCAST", int(n)) }
		}
		scalertest.Run(t, scalertest.Case{
			Kind: Kinds()[1], Metadata: trigger("one", "one"), Auth: access,
			Fixture: func(t *testing.T) scalertest.Fixture {
				p := scalertest.NewProxy(t, s.Addr)
				return scalertest.Fixture{
					Proxy: p, Metadata: map[string]string{"managementEndpoint": p.Addr}, Set: set(t, "one"), Values: []float64{0, 3, 100, 1, 0},
					Siblings: []scalertest.Sibling{
						{Metadata: map[string]string{"brokerAddress": "two", "queueName": "two"}, Set: set(t, "two")},
						{Metadata: map[string]string{"brokerAddress": "odd/na!me x", "queueName": "odd/na!me x"}, Set: set(t, "odd/na!me x")},
					},
					Bad: map[string]string{"queueName": "absent"},
				}
			},
		})
	})
	s.Fill(t, "events", "mailer", "MULTICAST", 4)
	s.Fill(t, "odd/na!me x", "odd/na!me x", "ANYCAST", 4)
	template := `http://<<managementEndpoint>>/console/jolokia/read/org.apache.activemq.artemis:broker="<<brokerName>>",component=addresses,` +
		`address="<<brokerAddress>>",subcomponent=queues,routing-type="multicast",queue="<<queueName>>"/MessageCount`
	for name, metadata := range map[string]map[string]string{
		"a multicast queue": trigger("events", "mailer", "restApiTemplate", template),
		"an odd name":       trigger("odd/na!me x", "odd/na!me x"),
		"another origin":    trigger("odd/na!me x", "odd/na!me x", "corsHeader", "http://127.0.0.1"),
	} {
		if r, err := open(t, 1, metadata).Measure(t.Context()); err != nil || r.Value != 4 {
			t.Errorf("%s: %+v, %v; expected 4", name, r, err)
		}
	}
	refused(t, open(t, 1, trigger("events", "mailer")), scaler.ReasonMissing, "no such queue")
	refused(t, open(t, 1, trigger("one", "one", "corsHeader", "http://elsewhere.example")), scaler.ReasonDenied, "allowed origins")
	wrong := maps.Clone(access)
	wrong["password"] = "another-password"
	config := Kinds()[1].New()
	if err := scaler.Decode(config, param.Values{Metadata: trigger("one", "one"), Auth: wrong}).Err(); err != nil {
		t.Fatal(err)
	}
	source, err := config.Open(t.Context(), scaler.Env{Pool: &scalertest.Pool{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = source.Close() }()
	refused(t, source, scaler.ReasonDenied, "403")
}
