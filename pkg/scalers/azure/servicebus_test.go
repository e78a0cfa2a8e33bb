package azure

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus/admin"
	"github.com/google/go-cmp/cmp"

	"github.com/kedago/keda/internal/conn"
	"github.com/kedago/keda/pkg/scaler"
	"github.com/kedago/keda/pkg/scaler/param"
	"github.com/kedago/keda/pkg/scaler/scalertest"
	eventhubserver "github.com/kedago/keda/test/servers/eventhub"
)

func TestServicebusConformance(t *testing.T) {
	b := newBusFake(t)
	queue := func(name string) func(context.Context, float64) {
		return func(_ context.Context, n float64) { b.change(func(b *busFake) { b.queues[name] = int(n) }) }
	}
	subscription := func(topic, name string) func(context.Context, float64) {
		return func(_ context.Context, n float64) {
			b.change(func(b *busFake) {
				if b.topics[topic] == nil {
					b.topics[topic] = map[string]int{}
				}
				b.topics[topic][name] = int(n)
			})
		}
	}
	run := func(name string, metadata map[string]string, fixture func(n int64) scalertest.Fixture) {
		t.Run(name, func(t *testing.T) {
			scalertest.Run(t, scalertest.Case{
				Kind: kind(t, "azure-servicebus"), Metadata: metadata, Auth: busAuth("127.0.0.1:1"), ScalerEnv: b.env,
				Fixture: func(t *testing.T) scalertest.Fixture {
					proxy := scalertest.NewProxy(t, b.addr)
					f := fixture(names.Add(1))
					f.Auth, f.Proxy = busAuth(proxy.Addr), proxy
					f.Deny, f.Allow = func() { b.change(func(b *busFake) { b.deny = true }) }, func() { b.change(func(b *busFake) { b.deny = false }) }
					return f
				},
			})
		})
	}
	run("queue", map[string]string{"queueName": "jobs"}, func(n int64) scalertest.Fixture {
		name := fmt.Sprint("jobs-", n)
		f := scalertest.Fixture{Metadata: map[string]string{"queueName": name}, Set: queue(name), Bad: map[string]string{"queueName": "never-made"}}
		for i := range 4 {
			other := fmt.Sprint(name, ".", i)
			f.Siblings = append(f.Siblings, scalertest.Sibling{Metadata: map[string]string{"queueName": other}, Set: queue(other)})
		}
		return f
	})
	run("subscription", map[string]string{"topicName": "orders", "subscriptionName": "billing"}, func(n int64) scalertest.Fixture {
		topic := fmt.Sprint("orders-", n)
		return scalertest.Fixture{
			Metadata: map[string]string{"topicName": topic}, Set: subscription(topic, "billing"), Bad: map[string]string{"subscriptionName": "never-made"},
			Siblings: []scalertest.Sibling{{Metadata: map[string]string{"subscriptionName": "audit"}, Set: subscription(topic, "audit")}},
		}
	})
	run("pattern", map[string]string{"queueName": "many-.*", "useRegex": "true"}, func(n int64) scalertest.Fixture {
		name := fmt.Sprint("many-", n)
		return scalertest.Fixture{
			Metadata: map[string]string{"queueName": name + "(-.*)?"}, Set: queue(name), Bad: map[string]string{"topicName": "never-made", "subscriptionName": ".*", "queueName": ""},
		}
	})
}

// TestServicebusFirstAPI passes the suite's declarations with the connection
// string from the container's environment.
func TestServicebusFirstAPI(t *testing.T) {
	scalertest.Run(t, scalertest.Case{
		Kind: kind(t, "azure-servicebus"), EnvNames: true,
		Metadata: map[string]string{"queueName": "jobs", "queueLength": "3", "connection": "BUS"}, Env: map[string]string{"BUS": exampleBus},
	})
}

func TestServicebusProblems(t *testing.T) {
	connected := map[string]string{"connection": exampleBus}
	for name, tc := range map[string]struct {
		metadata map[string]string
		auth     map[string]string
		want     []string
	}{
		"queue":                      {map[string]string{"queueName": "jobs"}, connected, nil},
		"queue with folders":         {map[string]string{"queueName": "shop/jobs.v2"}, connected, nil},
		"dead letters":               {map[string]string{"queueName": "jobs/$DeadLetterQueue"}, connected, nil},
		"subscription":               {map[string]string{"topicName": "orders", "subscriptionName": "billing"}, connected, nil},
		"identity":                   {map[string]string{"queueName": "jobs", "namespace": "orders"}, nil, nil},
		"pattern":                    {map[string]string{"queueName": "^jobs-[0-9]+$", "useRegex": "true", "operation": "AVG"}, connected, nil},
		"nothing":                    {nil, nil, []string{"error metadata.namespace", "error metadata.queueName"}},
		"queue and topic":            {map[string]string{"queueName": "jobs", "topicName": "orders"}, connected, []string{"error metadata.queueName"}},
		"queue and subscription":     {map[string]string{"queueName": "jobs", "subscriptionName": "billing"}, connected, []string{"error metadata.queueName"}},
		"topic only":                 {map[string]string{"topicName": "orders"}, connected, []string{"error metadata.subscriptionName"}},
		"subscription only":          {map[string]string{"subscriptionName": "billing"}, connected, []string{"error metadata.topicName"}},
		"odd queue":                  {map[string]string{"queueName": "jobs?x=y"}, connected, []string{"error metadata.queueName"}},
		"queue out of its namespace": {map[string]string{"queueName": "/../x"}, connected, []string{"error metadata.queueName"}},
		"odd topic":                  {map[string]string{"topicName": "a b", "subscriptionName": "c/d"}, connected, []string{"error metadata.topicName", "error metadata.subscriptionName"}},
		"odd pattern":                {map[string]string{"queueName": "jobs(", "useRegex": "true"}, connected, []string{"error metadata.queueName"}},
		"pattern that breaks out":    {map[string]string{"queueName": "a)|(b", "useRegex": "true"}, connected, []string{"error metadata.queueName"}},
		"odd operation":              {map[string]string{"queueName": "jobs", "useRegex": "true", "operation": "median"}, connected, []string{"error metadata.operation"}},
		"operation without pattern":  {map[string]string{"queueName": "jobs", "operation": "max"}, connected, []string{"warning metadata.operation"}},
		"odd namespace":              {map[string]string{"queueName": "jobs", "namespace": "orders.evil.example/"}, nil, []string{"error metadata.namespace"}},
		"odd connection":             {map[string]string{"queueName": "jobs"}, map[string]string{"connection": accountKey}, []string{"error authenticationRef.connection"}},
		"private":                    {map[string]string{"queueName": "jobs", "namespace": "orders", "cloud": "Private"}, nil, []string{"error metadata.endpointSuffix"}},
	} {
		t.Run(name, func(t *testing.T) { problemsOf(t, "azure-servicebus", tc.metadata, tc.auth, tc.want) })
	}
}

func TestServicebusMetric(t *testing.T) {
	for want, metadata := range map[string]map[string]string{
		"azure-servicebus-jobs":        {"queueName": "jobs"},
		"azure-servicebus-orders":      {"topicName": "orders", "subscriptionName": "billing"},
		"azure-servicebus-queue-regex": {"queueName": "jobs.*", "useRegex": "true"},
		"azure-servicebus-topic-regex": {"topicName": "orders", "subscriptionName": "b.*", "useRegex": "true"},
	} {
		t.Run(want, func(t *testing.T) {
			c := &servicebusConfig{}
			if err := scaler.Decode(c, param.Values{Metadata: metadata, Auth: map[string]string{"connection": exampleBus}}).Err(); err != nil {
				t.Fatal(err)
			}
			if got := c.Metric(); got != want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestParseBus(t *testing.T) {
	const secret = "c2VjcmV0c2VjcmV0"
	for name, tc := range map[string]struct {
		text string
		want busConnection
	}{
		"usual":         {exampleHub, busConnection{host: "orders.servicebus.windows.net", entity: "payments", keyName: "keda", key: param.Hide("dGhlLWtleQ==")}},
		"spaced, lower": {" endpoint=sb://h ;sharedaccesskeyname= k;SHAREDACCESSKEY=" + secret + "=;;\n", busConnection{host: "h", keyName: "k", key: param.Hide(secret + "=")}},
		"signature":     {"Endpoint=sb://h/;SharedAccessSignature=SharedAccessSignature sr=h&sig=x&se=1&skn=k", busConnection{host: "h", sas: param.Hide("SharedAccessSignature sr=h&sig=x&se=1&skn=k")}},
		"emulator":      {"Endpoint=sb://localhost:5672;SharedAccessKeyName=k;SharedAccessKey=v;UseDevelopmentEmulator=true", busConnection{host: "localhost:5672", keyName: "k", key: param.Hide("v"), plain: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseBus(tc.text)
			if err != nil {
				t.Fatal(err)
			}
			reveal := cmp.Comparer(func(a, b param.Hidden) bool { return a.Reveal() == b.Reveal() })
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(busConnection{}), reveal); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			again, err := parseBus(got.reveal())
			if err != nil || again.host != got.host || again.digest() != got.digest() {
				t.Errorf("written and read again: %v, %v", again, err)
			}
		})
	}
	for name, tc := range map[string]struct{ text, want string }{
		"empty":       {"", "no Endpoint"},
		"no pairs":    {secret, "without ="},
		"no endpoint": {"SharedAccessKeyName=k;SharedAccessKey=" + secret, "no Endpoint"},
		"bare host":   {"Endpoint=h;SharedAccessKeyName=k;SharedAccessKey=" + secret, "no address"},
		"user info":   {"Endpoint=sb://u:" + secret + "@h;SharedAccessKeyName=k;SharedAccessKey=v", "no address"},
		"query":       {"Endpoint=sb://h/?" + secret + ";SharedAccessKeyName=k;SharedAccessKey=v", "no address"},
		"path":        {"Endpoint=sb://h/" + secret + ";SharedAccessKeyName=k;SharedAccessKey=v", "no address"},
		"no key name": {"Endpoint=sb://h;SharedAccessKey=" + secret, "no SharedAccessKeyName"},
		"no key":      {"Endpoint=sb://h;SharedAccessKeyName=k", "no SharedAccessKey"},
		"neither":     {"Endpoint=sb://h", "neither"},
		"emulator":    {"Endpoint=sb://h;SharedAccessKeyName=k;SharedAccessKey=v;UseDevelopmentEmulator=" + secret, "UseDevelopmentEmulator"},
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			_, err := parseBus(tc.text)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestServicebusWhoAsks(t *testing.T) {
	workload := scaler.Identity{Provider: conn.AzureWorkload}
	for name, tc := range map[string]struct {
		identity   scaler.Identity
		metadata   map[string]string
		connection string
		host       string // empty when it is refused
		token      bool
		mentions   string
	}{
		"connection":               {connection: exampleBus, host: "orders.servicebus.windows.net"},
		"identity":                 {identity: workload, metadata: map[string]string{"namespace": "shop"}, host: "shop.servicebus.windows.net", token: true},
		"identity goes before":     {identity: workload, metadata: map[string]string{"namespace": "shop"}, connection: exampleBus, host: "shop.servicebus.windows.net", token: true},
		"identity of a cloud":      {identity: workload, metadata: map[string]string{"namespace": "shop", "cloud": "AzureUSGovernmentCloud"}, host: "shop.servicebus.usgovcloudapi.net", token: true},
		"no namespace":             {identity: workload, connection: exampleBus, mentions: "namespace is missing"},
		"nobody":                   {metadata: map[string]string{"namespace": "shop"}, mentions: "connectionFromEnv"},
		"another cloud's identity": {identity: scaler.Identity{Provider: "aws"}, metadata: map[string]string{"namespace": "shop"}, mentions: conn.AzureWorkload},
		"to a private cloud":       {identity: workload, metadata: map[string]string{"namespace": "shop", "cloud": "Private", "endpointSuffix": "evil.example"}, mentions: "endpointSuffix"},
	} {
		t.Run(name, func(t *testing.T) {
			operatorIdentity(t)
			c := &servicebusConfig{}
			v := param.Values{Metadata: scalertest.With(map[string]string{"queueName": "jobs"}, flatten(tc.metadata)...), Auth: map[string]string{"connection": tc.connection}}
			if err := scaler.Decode(c, v).Err(); err != nil {
				t.Fatal(err)
			}
			pool := &scalertest.Pool{}
			src, err := c.Open(t.Context(), scaler.Env{Pool: pool, Identity: tc.identity, Now: time.Now})
			if tc.host == "" {
				refused(t, err, scaler.ReasonMisconfigured, tc.mentions)
			} else {
				if err != nil {
					t.Fatal(err)
				}
				if s := src.(*servicebusSource); s.Host() != tc.host || (s.client.bus.token != nil) != tc.token {
					t.Errorf("got %s, a token %t", s.Host(), s.client.bus.token != nil)
				}
				_ = src.Close()
			}
			if held := pool.Held(); held != 0 {
				t.Errorf("%d leases are held", held)
			}
		})
	}
}

// TestServicebusToken checks that an identity's token is asked for with the
// deadline, and is what the service gets to see.
func TestServicebusToken(t *testing.T) {
	b := newBusFake(t)
	b.queues["jobs"] = 3
	src := open(t, "azure-servicebus", b.newEnv(), map[string]string{"queueName": "jobs"}, busAuth(b.addr)).(*servicebusSource)
	identity := &identityToken{text: eventhubserver.Token}
	options, release, err := conn.AzureClientOptions(b.newEnv())
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	src.client, err = newServicebusClient(&bus{busConnection: busConnection{host: b.addr}, token: identity}, &admin.ClientOptions{ClientOptions: options}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := src.Measure(t.Context()); err != nil || r.Value != 3 {
		t.Errorf("got %+v, %v", r, err)
	}
	for _, o := range identity.asked {
		if diff := cmp.Diff([]string{busScope}, o.Scopes); diff != "" {
			t.Errorf("asked for another token than the SDK does (-want +got):\n%s", diff)
		}
	}
	if len(identity.asked) != 2 {
		t.Errorf("%d tokens were asked for; want one by us and one by the SDK", len(identity.asked))
	}
	identity.text = "another's"
	_, err = src.Measure(t.Context())
	refused(t, err, scaler.ReasonDenied, `"jobs"`)
	identity.fails = scaler.Denied(errors.New("the authority refused"), "getting a token")
	_, err = src.Measure(t.Context())
	refused(t, err, scaler.ReasonDenied, "getting a token")
}
